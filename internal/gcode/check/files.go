package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// peek is how much of the head and the tail of a file is searched for settings.
const peek = 256 << 10

// Files compares two files of any kind: text, binary G-code, which decode turns into text, or .gcode.3mf. What the
// options do not say of nozzle and line width is taken from the settings that the slicer wrote into an input of text.
func Files(in, out string, decode func(io.Reader) (io.Reader, error), opt Options) (*Report, error) {
	a, err := open(in)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	defer a.Close()
	b, err := open(out)
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
	defer b.Close()
	var magic [4]byte
	if _, err := a.ReadAt(magic[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read input: %w", err)
	}
	switch string(magic[:]) {
	case "GCDE":
		return Blocks(a, b, decode, opt)
	case "PK\x03\x04":
		return Archive(a, b, opt)
	}
	ends, err := io.ReadAll(io.MultiReader(
		io.NewSectionReader(a, 0, peek), io.NewSectionReader(a, max(peek, a.Size()-peek), peek)))
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return Compare(a.File, b.File, opt.WithSettings(ends))
}

// file is an open file that knows its size.
type file struct {
	*os.File
	size int64
}

func (f file) Size() int64 { return f.size }

func open(name string) (file, error) {
	f, err := os.Open(name)
	if err != nil {
		return file{}, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return file{}, err
	}
	return file{f, info.Size()}, nil
}

// WithSettings fills in nozzle and line width from "; key = value" lines, where the options do not say them.
func (o Options) WithSettings(text []byte) Options {
	width := 0.0
	for line := range bytes.Lines(text) {
		key, value, ok := bytes.Cut(bytes.TrimLeft(line, " \t;"), []byte("="))
		if !ok || len(line) == 0 || line[0] != ';' {
			continue
		}
		value = bytes.TrimSpace(value)
		v, end := number(value, 0)
		if end < 0 || v <= 0 {
			continue
		}
		mm := float64(v) / micro
		percent := end < len(value) && value[end] == '%'
		switch string(bytes.TrimSpace(key)) {
		case "nozzle_diameter":
			if o.Nozzle == 0 {
				o.Nozzle = mm
			}
		case "perimeter_extrusion_width", "inner_wall_line_width":
			if width = mm; percent {
				width = -mm / 100
			}
		}
	}
	if width < 0 && o.Nozzle > 0 {
		width *= -o.Nozzle
	}
	if o.Width == 0 && width > 0 {
		o.Width = width
	}
	return o
}
