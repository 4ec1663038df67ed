// Package meatpack reads and writes MeatPack, the encoding of G-code text that packs its fifteen commonest characters
// into four bits each.
//
// A packed byte holds two characters, the first one in the low four bits. The value 15 stands for a whole byte that
// follows, the first character's before the second's. Where the first character is a newline the second is padding and
// says nothing: a line of an odd number of characters ends that way. The sequence FF FF c is command c. Text starts
// out unpacked, byte for byte.
//
// Both encodings of binary G-code, with and without comments, are this one; they differ in what a slicer leaves out
// before it packs. PrusaSlicer leaves out the blanks of lines that start with G and all comments or those behind a
// command. This package leaves out nothing: what is encoded here decodes to the same bytes. So a line nobody touched
// stays what it was, and a comment added behind a command is still there when the file is read again.
package meatpack

import "errors"

// Commands, each after two signal bytes.
const (
	signal = 0xFF

	cmdPack      = 0xFB
	cmdUnpack    = 0xFA
	cmdReset     = 0xF9
	cmdQuery     = 0xF8 // asks a printer for its state; means nothing in a file
	cmdNoSpaces  = 0xF7 // from here on 'E' takes the place of ' ' in the table
	cmdSpaces    = 0xF6
	literal      = 15
	codeSpace    = 11
	codeNewline  = 12
	packedSpaces = "0123456789. \nGX"
)

// Errors of a Decoder.
var (
	ErrCommand   = errors.New("unknown MeatPack command")
	ErrTruncated = errors.New("MeatPack data ends inside a character")
	ErrAmbiguous = errors.New("MeatPack data has a character where a newline's padding belongs, or a packed 0xFF")
)

// ErrSignal is an Encoder's: two bytes 0xFF in a row mean a command and cannot be text.
var ErrSignal = errors.New("text with two bytes 0xFF in a row cannot be MeatPacked")
