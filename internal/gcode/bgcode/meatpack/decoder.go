package meatpack

import "fmt"

// Decoder unpacks one block of a file. It takes the data in pieces of any size. The zero value is ready to use.
type Decoder struct {
	packing      bool
	noSpaces     bool
	state        state
	second       byte // in stateFirst: the second character, or literal
	usedNoSpaces bool
}

// state says what the next byte is.
type state uint8

const (
	stateData    state = iota
	stateFirst         // the whole byte of a pair's first character
	stateSecond        // the whole byte of a pair's second character
	stateSignal        // after one signal byte, which may still be data
	stateCommand       // after two signal bytes
)

// Reset makes the Decoder ready for another block.
func (d *Decoder) Reset() { *d = Decoder{} }

// NoSpaces tells whether the data so far asked for the table without a space.
func (d *Decoder) NoSpaces() bool { return d.usedNoSpaces }

// Append unpacks src and appends the text to dst, at most two bytes of text for one of src.
func (d *Decoder) Append(dst, src []byte) ([]byte, error) {
	for i := 0; i < len(src); i++ {
		if d.state == stateData && d.packing {
			dst, i = d.appendPairs(dst, src, i)
			if i == len(src) {
				break
			}
		}
		var err error
		if dst, err = d.step(dst, src[i]); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendPairs is the quick way through pairs of packed characters; it stops at anything else.
func (d *Decoder) appendPairs(dst, src []byte, i int) ([]byte, int) {
	table := &pairs
	if d.noSpaces {
		table = &pairsNoSpaces
	}
	for ; i < len(src); i++ {
		pair := table[src[i]]
		if pair == 0 {
			break
		}
		dst = append(dst, byte(pair))
		if second := byte(pair >> 8); second != 0 {
			dst = append(dst, second)
		}
	}
	return dst, i
}

func (d *Decoder) step(dst []byte, c byte) ([]byte, error) {
	switch d.state {
	case stateCommand:
		return dst, d.command(c)
	case stateSignal:
		if c == signal {
			d.state = stateCommand
			return dst, nil
		}
		d.state = stateData
		if !d.packing {
			return append(dst, signal, c), nil
		}
		d.state, d.second = stateFirst, literal // the signal byte was a pair of two whole bytes
		return d.step(dst, c)
	case stateFirst:
		return d.first(dst, c)
	case stateSecond:
		d.state = stateData
		return d.whole(dst, c)
	}
	if c == signal {
		d.state = stateSignal
		return dst, nil
	}
	if !d.packing {
		return append(dst, c), nil
	}
	return d.pair(dst, c)
}

// pair takes a byte of two characters of which at least one is a whole byte, or of a newline with odd padding.
func (d *Decoder) pair(dst []byte, c byte) ([]byte, error) {
	low, high := c&15, c>>4
	if low == literal {
		d.state, d.second = stateFirst, high
		return dst, nil
	}
	if low == codeNewline {
		return dst, ErrAmbiguous
	}
	d.state = stateSecond
	return append(dst, d.char(low)), nil
}

func (d *Decoder) first(dst []byte, c byte) ([]byte, error) {
	dst, err := d.whole(dst, c)
	if err != nil {
		return dst, err
	}
	if d.second == literal {
		d.state = stateSecond
		return dst, nil
	}
	d.state = stateData
	return append(dst, d.char(d.second)), nil
}

// whole appends a character that was not packed. Readers differ on 0xFF here, where it may start a command.
func (d *Decoder) whole(dst []byte, c byte) ([]byte, error) {
	if c == signal {
		return dst, ErrAmbiguous
	}
	return append(dst, c), nil
}

func (d *Decoder) char(code byte) byte {
	if code == codeSpace && d.noSpaces {
		return 'E'
	}
	return packedSpaces[code]
}

func (d *Decoder) command(c byte) error {
	d.state = stateData
	switch c {
	case cmdPack:
		d.packing = true
	case cmdUnpack:
		d.packing = false
	case cmdReset:
		d.packing, d.noSpaces = false, false
	case cmdNoSpaces:
		d.noSpaces, d.usedNoSpaces = true, true
	case cmdSpaces:
		d.noSpaces = false
	case cmdQuery:
	default:
		return fmt.Errorf("%w 0x%02X", ErrCommand, c)
	}
	return nil
}

// End returns an error when the data so far stops inside a character or a command.
func (d *Decoder) End() error {
	if d.state != stateData {
		return ErrTruncated
	}
	return nil
}

// By packed byte: the two characters, the first in the low byte; the high byte is 0 for padding, and all is 0 where
// the byte needs a closer look.
var pairs, pairsNoSpaces = pairTable(packedSpaces), pairTable("0123456789.E\nGX")

func pairTable(chars string) (table [256]uint16) {
	for low := range literal {
		for high := range literal {
			pair := uint16(chars[low]) | uint16(chars[high])<<8
			if low == codeNewline && high != codeNewline {
				pair = 0
			} else if low == codeNewline {
				pair = '\n'
			}
			table[low|high<<4] = pair
		}
	}
	return table
}
