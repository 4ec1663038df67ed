package brick

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"bricklayers.dev/bricklayers/test/prints"
)

// FuzzTransform feeds damaged prints. Whatever comes in, the transform must not crash, must refuse with a reason or give
// a result that passes its own check, and must give the same one for any number of workers.
func FuzzTransform(f *testing.F) {
	var texts [][]byte
	for _, o := range []prints.Options{
		{Layers: 4, Walls: 3, Step: 8},
		{Layers: 4, Walls: 3, Step: 8, Dialect: "cura", Switches: []string{"abs", "hop"}},
		{Layers: 4, Walls: 3, Step: 8, Dialect: "bambu", Switches: []string{"arcs", "machine", "wipe"}},
	} {
		var text bytes.Buffer
		if err := prints.Write(&text, o, nil); err != nil {
			f.Fatal(err)
		}
		texts = append(texts, text.Bytes())
	}
	for i := range texts {
		for at := range uint16(64) {
			f.Add(uint8(i), at*1024, uint16(0), []byte("G91\nG1 Z1\nG90\n"))
			f.Add(uint8(i), at*1024, uint16(40), []byte("\nG92 E0 Z3\nG28\nG3 X1 Y1 I5 E1\n;LAYER:3\nT1\nG10\n;TYPE:WALL-INNER\n"))
		}
	}
	f.Fuzz(func(t *testing.T, print uint8, at, remove uint16, insert []byte) {
		text := texts[int(print)%len(texts)]
		a := int(at) * len(text) / (1 << 16)
		b := min(a+int(remove), len(text))
		in := slices.Concat(text[:a], insert, text[b:])
		for _, order := range []Order{OrderSlicer, OrderContour} {
			var outs [2]bytes.Buffer
			for i, workers := range []int{1, 3} {
				opt := DefaultOptions()
				opt.Order, opt.Workers = order, workers
				res, err := Transform(bytes.NewReader(in), &outs[i], opt)
				var refused *InputError
				switch {
				case errors.As(err, &refused):
					return
				case err != nil:
					t.Fatal(err)
				case res.Reason != "" && !bytes.Equal(in, outs[i].Bytes()):
					t.Fatalf("%s, but the output is not the input", res.Reason)
				}
			}
			if !bytes.Equal(outs[0].Bytes(), outs[1].Bytes()) {
				t.Fatal("the number of workers changes the output")
			}
			if _, err := Transform(bytes.NewReader(outs[0].Bytes()), io.Discard, forced(order)); err != nil {
				t.Fatalf("the output cannot be read: %v", err)
			}
		}
	})
}

func forced(order Order) Options {
	opt := DefaultOptions()
	opt.Order, opt.Force = order, true
	return opt
}
