package check

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// peek is how much of the head and the tail of a file is searched for settings.
const peek = 256 << 10

// Files compares two files. What the options do not say of nozzle and line width is taken from the settings that the
// slicer wrote into the input.
func Files(in, out string, opt Options) (*Report, error) {
	a, err := os.Open(in)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	defer a.Close()
	b, err := os.Open(out)
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
	defer b.Close()
	info, err := a.Stat()
	if err != nil {
		return nil, fmt.Errorf("size of input: %w", err)
	}
	ends, err := io.ReadAll(io.MultiReader(
		io.NewSectionReader(a, 0, peek), io.NewSectionReader(a, max(peek, info.Size()-peek), peek)))
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return Compare(a, b, opt.WithSettings(ends))
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
