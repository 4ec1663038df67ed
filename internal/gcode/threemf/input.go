package threemf

import (
	"errors"
	"fmt"
	"io"
)

// input reads an archive from front to back, knows where it is, and can look ahead.
type input struct {
	src      io.Reader
	buf      []byte
	pos, end int   // buf[pos:end] is read from src and not yet consumed
	base     int64 // offset in the archive of buf[0]
	err      error // what src said last
}

const inputSize = 64 << 10

func newInput(r io.Reader) *input { return &input{src: r, buf: make([]byte, inputSize)} }

// offset returns how many bytes were consumed.
func (in *input) offset() int64 { return in.base + int64(in.pos) }

// fill reads once, keeping what is not consumed.
func (in *input) fill() error {
	if in.err != nil {
		return in.err
	}
	copy(in.buf, in.buf[in.pos:in.end])
	in.base += int64(in.pos)
	in.end -= in.pos
	in.pos = 0
	n, err := in.src.Read(in.buf[in.end:])
	in.end += n
	in.err = err
	return nil
}

// peek returns the next n bytes, fewer at the end of the archive, without consuming them. n is at most inputSize.
func (in *input) peek(n int) ([]byte, error) {
	for in.end-in.pos < n {
		if err := in.fill(); errors.Is(err, io.EOF) {
			return in.buf[in.pos:in.end], nil
		} else if err != nil {
			return nil, fmt.Errorf("read .gcode.3mf: %w", err)
		}
	}
	return in.buf[in.pos : in.pos+n], nil
}

// next consumes n bytes and returns them; they are good until the next call.
func (in *input) next(n int) ([]byte, error) {
	b, err := in.peek(n)
	if err != nil {
		return nil, err
	}
	if len(b) < n {
		return nil, endsEarly()
	}
	in.pos += n
	return b, nil
}

func endsEarly() error {
	return &Error{reason: ReasonBad, detail: "the archive ends early: upload it again"}
}

// Read and ReadByte consume; having both lets deflate stop at the end of its data.
func (in *input) Read(p []byte) (int, error) {
	for in.pos == in.end {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.pos:in.end])
	in.pos += n
	return n, nil
}

func (in *input) ReadByte() (byte, error) {
	for in.pos == in.end {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	c := in.buf[in.pos]
	in.pos++
	return c, nil
}
