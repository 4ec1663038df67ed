package main

import (
	"context"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
)

// transformArchive refuses archives.
func (c *command) transformArchive(context.Context, source, io.Writer, *report) error {
	return &brick.InputError{Label: "not_gcode_zip", Text: "this is a zip file: export the print as .gcode or .bgcode"}
}
