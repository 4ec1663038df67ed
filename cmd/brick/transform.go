package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/brick"
)

// What an input can be.
const (
	formatText   = "gcode"
	formatBinary = "bgcode"
	formatZip    = "gcode.3mf"
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
	head, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return "", err
	}
	for _, k := range []struct{ magic, name string }{
		{"%PDF", "pdf"}, {"\x7fELF", "elf"}, {"\x89PNG", "png"}, {"\x1f\x8b", "gzip"}, {"\xff\xfe", "utf16"},
		{"\xfe\xff", "utf16"},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return "", foreign(k.name)
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("GCDE")):
		return formatBinary, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return formatZip, nil
	}
	return formatText, nil
}

func foreign(name string) error {
	switch name {
	case "utf16":
		return &brick.InputError{Label: "utf16", Text: "this is UTF-16 text: save it as plain ASCII or UTF-8"}
	case "gzip":
		return &brick.InputError{Label: "compressed", Text: "this is a gzip file: unpack it first"}
	}
	return &brick.InputError{Label: brick.Reason("not_gcode_" + name),
		Text: "this is a " + name + " file, not G-code: export the print from the slicer"}
}
