package check_test

import (
	"bytes"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/prints"
)

// FuzzCompare looks for outputs that the checker cannot bear, and for inputs that are not equal to themselves.
func FuzzCompare(f *testing.F) {
	for _, o := range []prints.Options{
		{Layers: 3, Step: 20}, {Dialect: "cura", Layers: 3, Step: 20, Switches: []string{"arcs", "crlf"}},
		{Dialect: "kisslicer", Layers: 3, Step: 20, Switches: []string{"line-numbers", "huge-e"}},
	} {
		var out bytes.Buffer
		if err := prints.Write(&out, o, nil); err != nil {
			f.Fatal(err)
		}
		half := out.Len() / 2
		f.Add(out.Bytes()[:half], out.Bytes()[half:], false)
	}
	f.Add([]byte("G1 X1 Y1 E1 ; a"), []byte("G1 X1 Y1 Z E-0"), true)
	f.Fuzz(func(t *testing.T, a, b []byte, contour bool) {
		opt := check.Options{Multiplier: 1, Order: check.Slicer}
		if contour {
			opt.Order = check.Contour
		}
		if _, err := check.Compare(bytes.NewReader(a), bytes.NewReader(b), opt); err != nil {
			t.Fatal(err)
		}
		r, err := check.Compare(bytes.NewReader(a), bytes.NewReader(a), opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range strings.Fields("I1 I2 I3 I4 I5 I6 I7 I8 I11 I12 I14 I16 I23 I24") {
			if v := r.Get(id); v.Violations > 0 {
				t.Errorf("a file compared with itself violates %s: %v", id, v.Examples)
			}
		}
	})
}
