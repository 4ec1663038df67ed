// Package bricking_test runs the real transform over every print the generator knows and over real ones, and has the
// independent checker look at the result.
package bricking_test

import (
	"bytes"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/prints"
)

func TestGeneratedPrints(t *testing.T) {
	for _, o := range prints.Combinations() {
		if o.Outcome().Class != "bricked" {
			continue
		}
		var in, out bytes.Buffer
		if err := prints.Write(&in, o, nil); err != nil {
			t.Fatal(err)
		}
		opt := brick.DefaultOptions()
		opt.Settings = in.Bytes()
		res, err := brick.Transform(bytes.NewReader(in.Bytes()), &out, opt)
		if err != nil {
			t.Errorf("%s: %v", o.Name(), err)
			continue
		}
		if res.Reason != "" {
			t.Errorf("%s: %s", o.Name(), res.Reason)
		}
		report, err := check.Compare(bytes.NewReader(in.Bytes()), bytes.NewReader(out.Bytes()), check.Options{Multiplier: 1.05, Exact: true})
		if err != nil {
			t.Fatal(err)
		}
		if report.Violations() > 0 {
			t.Errorf("%s: %s", o.Name(), report)
		}
	}
}
