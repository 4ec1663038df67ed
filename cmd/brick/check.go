package main

import (
	"encoding/json"
	"fmt"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/gcode/check"
)

// compare checks a result against its input, with the options that it was made with.
func (c *command) compare(stdout io.Writer) error {
	decode := func(r io.Reader) (io.Reader, error) { return bgcode.NewReader(r, bgcode.DefaultMaxText) }
	report, err := check.Files(c.input, c.result, decode, check.Options{
		Order: check.Order(c.brick.Order), StartLayer: c.brick.StartLayer, Ignored: c.brick.Ignore.Contains,
		Multiplier: c.brick.Multiplier, Ramp: c.brick.Ramp, MaxRaise: c.brick.MaxRaise, LoneFlat: !c.brick.IncludeLone,
		Up: brick.StampUp, Down: brick.StampDown,
	})
	if err != nil {
		return err
	}
	if c.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		_, err = fmt.Fprint(stdout, report)
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if n := report.Violations(); n > 0 {
		return &brick.InputError{Label: "check_failed",
			Text: fmt.Sprintf("%s breaks the rules in %d places: do not print it", c.result, n)}
	}
	return nil
}
