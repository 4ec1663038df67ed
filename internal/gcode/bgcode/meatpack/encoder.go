package meatpack

import "bytes"

// Encoder packs blocks of text for a file. The zero value packs spaces; where lines have none, as PrusaSlicer writes
// them, NoSpaces packs 'E' instead.
type Encoder struct {
	NoSpaces bool
}

// Append packs text as a block of its own and appends it to dst. Lines that start with a ';' are left unpacked, as
// PrusaSlicer does; so is a line without a newline at the end of text, because packing would have to give it one.
// It returns ErrSignal when the text cannot be packed.
func (e *Encoder) Append(dst, text []byte) ([]byte, error) {
	if bytes.Contains(text, []byte{signal, signal}) {
		return dst, ErrSignal
	}
	codes := &codesSpaces
	dst = append(dst, signal, signal, cmdPack)
	if e.NoSpaces {
		codes = &codesNoSpaces
		dst = append(dst, signal, signal, cmdNoSpaces)
	}
	packing := true
	for len(text) > 0 {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line = text[:end+1]
		}
		text = text[len(line):]
		if pack := packable(line); pack != packing {
			packing = pack
			dst = appendSwitch(dst, pack)
		}
		if packing {
			dst = appendPacked(dst, line, codes)
		} else {
			dst = append(dst, line...)
		}
	}
	if n := len(dst); dst[n-1] == signal {
		return dst, ErrSignal // a reader would wait for what comes behind it
	}
	return dst, nil
}

func packable(line []byte) bool {
	return line[0] != ';' && line[len(line)-1] == '\n' && bytes.IndexByte(line, signal) < 0
}

func appendSwitch(dst []byte, pack bool) []byte {
	if pack {
		return append(dst, signal, signal, cmdPack)
	}
	return append(dst, signal, signal, cmdUnpack)
}

// appendPacked packs a line, newline included, in pairs; the last one is filled with a second newline.
func appendPacked(dst, line []byte, codes *[256]byte) []byte {
	for ; len(line) > 1; line = line[2:] {
		a, b := line[0], line[1]
		low, high := codes[a], codes[b]
		dst = append(dst, low|high<<4)
		if low == literal {
			dst = append(dst, a)
		}
		if high == literal {
			dst = append(dst, b)
		}
	}
	if len(line) == 1 {
		dst = append(dst, codeNewline|codeNewline<<4)
	}
	return dst
}

var codesSpaces, codesNoSpaces = codeTable(packedSpaces), codeTable("0123456789.E\nGX")

func codeTable(chars string) (codes [256]byte) {
	for i := range codes {
		codes[i] = literal
	}
	for code, c := range []byte(chars) {
		codes[c] = byte(code)
	}
	return codes
}
