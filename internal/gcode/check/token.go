package check

import "math"

// kind says what a line is.
type kind uint8

const (
	blank   kind = iota
	comment      // nothing but a comment
	motion       // G0 to G3
	origin       // G92
	other        // any other command
)

// letters whose values the checker reads; each is a bit in command.has.
const (
	wordX = iota
	wordY
	wordZ
	wordI
	wordJ
	wordR
	wordE
	wordF
	words
)

// micro is the number of units in 1 mm: values are kept as integers so that equal means equal.
const micro = 1_000_000

// absurd is the size beyond which a value is no position or length, in units of 1 mm.
const absurd = 1e7

// command is one line as the checker reads it.
type command struct {
	off, end int32 // in the segment; end excludes the terminator
	next     int32 // where the next line begins
	kind     kind
	letter   byte // of other: 'G', 'M' or 'T', 0 for words such as EXCLUDE_OBJECT_START
	code     int32
	has      uint16
	absurd   bool // a value is beyond anything a printer can do
	value    [words]int64
}

func (c *command) with(word int) bool { return c.has&(1<<word) != 0 }

// read fills c from one line without its terminator.
func (c *command) read(line []byte) {
	c.kind, c.letter, c.code, c.has, c.absurd = blank, 0, 0, 0, false
	i := skipBlanks(line, 0)
	if i == len(line) {
		return
	}
	if line[i] == ';' {
		c.kind = comment
		return
	}
	if upper(line[i]) == 'N' && i+1 < len(line) && isDigit(line[i+1]) {
		for i++; i < len(line) && isDigit(line[i]); i++ {
		}
		i = skipBlanks(line, i)
	}
	c.kind = other
	if i == len(line) {
		return
	}
	letter := upper(line[i])
	i = skipBlanks(line, i+1)
	start := i
	for ; i < len(line) && isDigit(line[i]); i++ {
		c.code = min(c.code*10+int32(line[i]-'0'), 1<<20)
	}
	if i == start || letter != 'G' && letter != 'M' && letter != 'T' {
		return
	}
	c.letter = letter
	if i < len(line) && line[i] == '.' { // G29.1 is not G29
		c.code = -1
		return
	}
	switch {
	case letter == 'G' && c.code <= 3:
		c.kind = motion
	case letter == 'G' && c.code == 92:
		c.kind = origin
	default:
		return
	}
	c.readWords(line, i)
}

func (c *command) readWords(line []byte, i int) {
	for {
		i = skipBlanks(line, i)
		if i >= len(line) || line[i] == ';' || line[i] == '(' || line[i] == '*' {
			return
		}
		letter := upper(line[i])
		v, end := number(line, skipBlanks(line, i+1))
		i = max(end, i+1)
		word := -1
		switch letter {
		case 'X':
			word = wordX
		case 'Y':
			word = wordY
		case 'Z':
			word = wordZ
		case 'I':
			word = wordI
		case 'J':
			word = wordJ
		case 'R':
			word = wordR
		case 'E':
			word = wordE
		case 'F':
			word = wordF
		}
		if word < 0 || end < 0 {
			continue
		}
		c.has |= 1 << word
		c.value[word] = v
		if v == math.MaxInt64 || v == -math.MaxInt64 {
			c.absurd = true
		}
	}
}

// number reads a decimal at line[i:] in units of 1e-6, rounded. The end is -1 if there is none. What is too large
// becomes the largest value.
func number(line []byte, i int) (v int64, end int) {
	negative := false
	if i < len(line) && (line[i] == '-' || line[i] == '+') {
		negative = line[i] == '-'
		i++
	}
	digits, decimals, point, huge := 0, 0, false, false
	for ; i < len(line); i++ {
		ch := line[i]
		if ch == '.' && !point {
			point = true
			continue
		}
		if !isDigit(ch) {
			break
		}
		digits++
		switch {
		case point && decimals == 6:
			if ch >= '5' && decimals == 6 {
				v++
			}
			decimals++
		case point && decimals > 6:
		default:
			if point {
				decimals++
			}
			if v = v*10 + int64(ch-'0'); v > absurd*micro {
				huge, v = true, 0
			}
		}
	}
	if digits == 0 {
		return 0, -1
	}
	for ; decimals < 6 && !huge; decimals++ {
		if v *= 10; v > absurd*micro {
			huge = true
		}
	}
	if huge {
		v = math.MaxInt64
	}
	if negative {
		v = -v
	}
	return v, i
}

func skipBlanks(line []byte, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return i
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// commentAt returns where the comment of a line begins, or the length of the line.
func commentAt(line []byte) int {
	for i, c := range line {
		if c == ';' {
			return i
		}
	}
	return len(line)
}
