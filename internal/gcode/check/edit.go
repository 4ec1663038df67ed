package check

import "bytes"

// edit is how an output line differs from the input line it was.
type edit struct {
	e, z  bool // the value of the word is another, or the word was added
	added bool // the Z word was added
	bad   string
}

// readEdit compares two lines without terminators. ok is false when they differ in more than E, Z and a stamp.
func readEdit(a, b []byte) (d edit, ok bool) {
	endA, endB := commentAt(a), commentAt(b)
	if rest, found := bytes.CutPrefix(b[endB:], a[endA:]); !found || len(rest) > 0 && len(rest) > 40 {
		return d, false
	}
	codeA, codeB := bytes.TrimRight(a[:endA], " \t"), bytes.TrimRight(b[:endB], " \t")
	i, j := 0, 0
	for i < len(codeA) && j < len(codeB) {
		if codeA[i] != codeB[j] {
			return d, false
		}
		letter := upper(codeA[i])
		i++
		j++
		if letter != 'E' && letter != 'Z' {
			continue
		}
		i, j = skipBlanks(codeA, i), skipBlanks(codeB, j)
		_, afterA := number(codeA, i)
		_, afterB := number(codeB, j)
		if afterA < 0 || afterB < 0 {
			return d, false
		}
		if !bytes.Equal(codeA[i:afterA], codeB[j:afterB]) {
			d.e, d.z = d.e || letter == 'E', d.z || letter == 'Z'
			d.judge(letter, codeB[j:afterB])
		}
		i, j = afterA, afterB
	}
	if i < len(codeA) {
		return d, false
	}
	if j == len(codeB) {
		return d, true
	}
	j = skipBlanks(codeB, j)
	_, end := number(codeB, min(j+1, len(codeB)))
	if upper(codeB[j]) != 'Z' || end != len(codeB) {
		return d, false
	}
	d.z, d.added = true, true
	d.judge('Z', codeB[j+1:])
	return d, true
}

// judge sees that a number is printed as printers read it.
func (d *edit) judge(letter byte, text []byte) {
	if why := badNumber(letter, text); why != "" {
		d.bad = why
	}
}

// badNumber says what is wrong with a printed number, if anything.
func badNumber(letter byte, text []byte) string {
	most := 3
	if letter == 'E' {
		most = 5
	}
	v, end := number(text, 0)
	switch point := bytes.IndexByte(text, '.'); {
	case end != len(text):
		return "is not a plain decimal"
	case v == 0 && text[0] == '-':
		return "is a negative zero"
	case point >= 0 && len(bytes.TrimRight(text, "0"))-point-1 > most: // more zeros are the slicer's
		return "has too many decimals"
	}
	return ""
}

// checkNumbers judges all words of a line that was added.
func checkNumbers(line []byte) string {
	code := line[:commentAt(line)]
	for i := skipBlanks(code, 0); i < len(code); {
		letter := upper(code[i])
		_, end := number(code, i+1)
		if end < 0 || letter < 'A' || letter > 'Z' {
			return "is not a letter and a decimal"
		}
		if why := badNumber(letter, code[i+1:end]); why != "" {
			return why
		}
		i = skipBlanks(code, end)
	}
	return ""
}
