package main

import (
	"context"
	"fmt"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/gcode/threemf"
)

// transformArchive writes the result for a .gcode.3mf, each plate of which is a print.
func (c *command) transformArchive(ctx context.Context, f source, w io.Writer, r *report) error {
	r.Format = formatZip
	res, err := threemf.Rewrite(f.file, f.size, w, func(plate string, text io.Reader, out io.Writer) error {
		one := report{}
		if err := c.transformText(stopReader{ctx, f.bar.reader(text)}, out, nil, &one); err != nil {
			return fmt.Errorf("%s: %w", plate, err)
		}
		r.addPlate(plate, &one)
		return nil
	})
	if err != nil {
		return err
	}
	for _, warning := range res.Warnings {
		r.Warnings = append(r.Warnings, brick.Reason(warning))
	}
	return nil
}
