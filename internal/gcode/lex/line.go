// Package lex reads G-code line by line as bytes: it never copies, never allocates and never decodes text, so that a
// line can be written back exactly as it was read.
package lex

import "bytes"

// Kind says what a line is.
type Kind uint8

const (
	// Blank is a line of blanks, or an empty one.
	Blank Kind = iota
	// Marker is a line that holds nothing but a comment. Slicers describe layers and features this way.
	Marker
	// Move is G0, G1, G2 or G3. Only here and in SetPosition are the words of the line parsed.
	Move
	// SetPosition is G92.
	SetPosition
	// Command is any other letter and number: G28, M204, T0. Its arguments are not parsed.
	Command
	// Opaque is anything else, such as a Klipper command (EXCLUDE_OBJECT_START NAME=x) or text that is no G-code.
	Opaque
)

// Words is the set of words a Move or SetPosition carries.
type Words uint16

// One bit for each word whose value is kept, and one for all the others.
const (
	HasX Words = 1 << iota
	HasY
	HasZ
	HasE
	HasF
	HasI
	HasJ
	HasR
	HasOther
)

// Span is a range of bytes inside a line.
type Span struct{ Start, End int }

// Line is one parsed line. All offsets count from the start of the line. Numbers are in Units (1e-6).
type Line struct {
	Kind   Kind
	Letter byte // G, M, T …, upper case; 0 when the line has no command
	Number int  // the number after Letter; -1 when it has a sub-code (G92.1) or is too long to mean anything

	Has                    Words
	X, Y, Z, E, F, I, J, R int64

	ZAt, EAt Span // the digits of these words, without the letter
	End      int  // just past the last word: a further word or a comment may be put here
	Comment  int  // the first ';', or the length of the line without its terminator
	Body     int  // the length of the line without its terminator

	Numbered bool // starts with a line number, N123
	Checksum bool // ends in *NN; on a Command only when Numbered, because message texts may hold a '*'
	Bad      bool // a word of a Move or SetPosition is missing its number, out of range, or given twice
}

// NextLine cuts the first line off buf, with its terminator if it has one.
func NextLine(buf []byte) (line, rest []byte) {
	if i := bytes.IndexByte(buf, '\n'); i >= 0 {
		return buf[:i+1], buf[i+1:]
	}
	return buf, nil
}

// BodyLen returns the length of line without its terminator, which is "\n" or "\r\n". A lone "\r" at the very end of a
// file is taken as a terminator as well.
func BodyLen(line []byte) int {
	n := len(line)
	if n > 0 && line[n-1] == '\n' {
		n--
	}
	if n > 0 && line[n-1] == '\r' {
		n--
	}
	return n
}

// CommentText returns what follows the ';' of a line, without blanks around it; nil when there is no comment.
func (l *Line) CommentText(line []byte) []byte {
	if l.Comment >= l.Body {
		return nil
	}
	return TrimBlanks(line[l.Comment+1 : l.Body])
}

// TrimBlanks returns b without the blanks around it. It takes a fraction of the time of bytes.Trim.
func TrimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// Parse reads line, with or without its terminator, and overwrites l.
func (l *Line) Parse(line []byte) {
	*l = Line{Body: BodyLen(line)}
	body := line[:l.Body]
	l.Comment = len(body)
	i := skipBlanks(body, 0)
	if i < len(body) && body[i]|0x20 == 'n' && i+1 < len(body) && isDigit(body[i+1]) { // line number
		l.Numbered = true
		i++
		for i < len(body) && isDigit(body[i]) {
			i++
		}
		i = skipBlanks(body, i)
	}
	l.End = i
	switch {
	case i == len(body):
		return
	case body[i] == ';':
		l.Kind, l.Comment = Marker, i
		return
	}
	i = l.parseCommandWord(body, i)
	if l.Letter == 'G' && (uint(l.Number) <= 3 || l.Number == 92) {
		l.parseWords(body, i)
		return
	}
	l.skipArguments(body, i)
}

// parseCommandWord reads letter and number and returns the offset behind them.
func (l *Line) parseCommandWord(body []byte, i int) int {
	letter := body[i] &^ 0x20
	if letter < 'A' || letter > 'Z' || i+1 == len(body) || !isDigit(body[i+1]) {
		l.Kind = Opaque
		return i
	}
	l.Kind, l.Letter = Command, letter
	i++
	for i < len(body) && isDigit(body[i]) {
		if l.Number < 1e6 {
			l.Number = l.Number*10 + int(body[i]-'0')
		}
		i++
	}
	if l.Number >= 1e6 {
		l.Number = -1
	}
	if i < len(body) && body[i] == '.' {
		l.Number = -1
	}
	return i
}

// skipArguments finds the comment, the checksum and the end of the words of a line whose words do not matter.
func (l *Line) skipArguments(body []byte, i int) {
	if c := bytes.IndexByte(body[i:], ';'); c >= 0 {
		l.Comment = i + c
	}
	end := l.Comment
	for end > i && isBlank(body[end-1]) {
		end--
	}
	l.End = end
	digits := end
	for digits > i && isDigit(body[digits-1]) {
		digits--
	}
	l.Checksum = l.Numbered && digits < end && digits > i && body[digits-1] == '*'
}

// parseWords reads the words of a Move or SetPosition. It is one loop because most of the time that a file takes to be
// read is spent in it.
func (l *Line) parseWords(body []byte, i int) {
	l.Kind = Move
	if l.Number == 92 {
		l.Kind = SetPosition
	}
	l.End = i
	for i < len(body) {
		letter := body[i] &^ 0x20
		if letter < 'A' || letter > 'Z' {
			if i = l.parseOther(body, i); i < 0 {
				return
			}
			continue
		}
		start := i + 1
		for start < len(body) && isBlank(body[start]) {
			start++
		}
		v, n, ok := ParseDecimal(body[start:])
		if !ok {
			l.Bad = true
			i = max(start+n, i+1)
			l.End = i
			continue
		}
		i = start + n
		l.End = i
		bit := HasOther
		switch letter {
		case 'X':
			bit, l.X = HasX, v
		case 'Y':
			bit, l.Y = HasY, v
		case 'E':
			bit, l.E, l.EAt = HasE, v, Span{start, i}
		case 'Z':
			bit, l.Z, l.ZAt = HasZ, v, Span{start, i}
		case 'F':
			bit, l.F = HasF, v
		case 'I':
			bit, l.I = HasI, v
		case 'J':
			bit, l.J = HasJ, v
		case 'R':
			bit, l.R = HasR, v
		}
		if l.Has&bit&^HasOther != 0 {
			l.Bad = true
		}
		l.Has |= bit
	}
}

// parseOther takes what stands between words at i and returns the offset behind it, or -1 at a comment.
func (l *Line) parseOther(body []byte, i int) int {
	switch c := body[i]; {
	case isBlank(c):
		return i + 1
	case c == ';':
		l.Comment = i
		return -1
	case c == '(':
		return skipParenthesis(body, i)
	case c == '*':
		l.Checksum = true
		for i++; i < len(body) && isDigit(body[i]); i++ {
		}
		return i
	}
	l.Bad = true
	l.End = i + 1
	return i + 1
}

// skipParenthesis returns the offset behind the CNC-style comment that opens at i.
func skipParenthesis(body []byte, i int) int {
	if c := bytes.IndexByte(body[i:], ')'); c >= 0 {
		return i + c + 1
	}
	return len(body)
}

func skipBlanks(b []byte, i int) int {
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
func isDigit(c byte) bool { return c-'0' <= 9 }
