package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/validate"
)

// What an input can be.
const (
	formatText   = string(validate.GCode)
	formatBinary = string(validate.BinaryGCode)
	formatZip    = string(validate.Project)
)

// transform writes the result for a stream of text or binary G-code.
func (c *command) transform(in io.Reader, kind string, w io.Writer, r *report) error {
	r.Format = kind
	if kind == formatBinary {
		return bgcode.Rewrite(in, w, func(text *bgcode.Reader, out io.Writer) error {
			return c.transformText(text, out, metadata(text), r)
		})
	}
	return c.transformText(in, w, nil, r)
}

func (c *command) transformText(in io.Reader, w io.Writer, settings []byte, r *report) error {
	opt := c.brick
	opt.Settings = append(settings, opt.Settings...)
	res, err := c.engine(in, w, opt)
	if err != nil {
		return err
	}
	r.take(res)
	return nil
}

// metadata returns the settings that a binary file keeps outside its G-code.
func metadata(in *bgcode.Reader) []byte {
	var text []byte
	for _, kv := range in.Metadata() {
		text = fmt.Appendf(text, "%s = %s\n", kv.Key, kv.Value)
	}
	return text
}

// input is a stream whose first bytes can be looked at.
type input struct{ *bufio.Reader }

func newInput(ctx context.Context, r io.Reader, bar *progress) input {
	return input{bufio.NewReaderSize(bar.reader(stopReader{ctx, r}), 64<<10)}
}

// sniff tells by its first bytes what the input is.
func (in input) sniff() (format string, err error) {
	head, err := in.Peek(validate.MagicSize)
	if err != nil && err != io.EOF {
		return "", err
	}
	kind, err := validate.Sniff(head)
	return string(kind), err
}
