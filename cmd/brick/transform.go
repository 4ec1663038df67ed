package main

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
)

// transform reads the input, of the given size if that is known, and writes the result.
func (c *command) transform(ctx context.Context, in io.Reader, size int64, w io.Writer, r *report, stderr io.Writer) error {
	bar := newProgress(stderr, size)
	defer bar.stop()
	buffered := bufio.NewReaderSize(bar.reader(stopReader{ctx, in}), 64<<10)
	head, err := buffered.Peek(4)
	if err != nil && len(head) == 0 && err != io.EOF {
		return err
	}
	if kind := foreignKind(head); kind != "" {
		return &brick.InputError{Reason: brick.Reason("not_gcode_" + kind),
			Text: "this is a " + kind + " file, not G-code: export the print from the slicer"}
	}
	r.Format = "gcode"
	res, err := brick.Transform(buffered, w, c.brick)
	if err != nil {
		return err
	}
	r.take(res)
	return nil
}

// foreignKind names what a file is by its first bytes, if it is something people take for G-code.
func foreignKind(head []byte) string {
	for _, k := range []struct{ magic, name string }{
		{"%PDF", "pdf"}, {"\x7fELF", "elf"}, {"\x89PNG", "png"}, {"\x1f\x8b", "gzip"}, {"PK\x03\x04", "zip"},
		{"GCDE", "bgcode"},
		{"\xff\xfe", "utf16"}, {"\xfe\xff", "utf16"},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return k.name
		}
	}
	return ""
}
