package prints_test

import (
	"bytes"
	"io"
	"testing"

	"bricklayers.dev/bricklayers/test/prints"
)

func TestEveryCombinationIsWrittenWithItsLoops(t *testing.T) {
	all := prints.Combinations()
	if len(all) < 500 {
		t.Errorf("%d combinations, want 500 or more", len(all))
	}
	for _, o := range all {
		var loops, lines int
		var out bytes.Buffer
		err := prints.Write(&out, o, func(l prints.Loop) {
			loops++
			if l.FirstLine <= lines || l.LastLine < l.FirstLine {
				t.Errorf("%s: loop %d on lines %d-%d, after line %d", o.Name(), loops, l.FirstLine, l.LastLine, lines)
			}
			lines = l.LastLine
		})
		if err != nil {
			t.Errorf("%s: %v", o.Name(), err)
		}
		if loops < 10 {
			t.Errorf("%s: %d loops", o.Name(), loops)
		}
		if n := bytes.Count(out.Bytes(), []byte("\n")); n < lines {
			t.Errorf("%s: last loop ends on line %d of %d", o.Name(), lines, n)
		}
	}
}

func TestLoopLinesAreBeads(t *testing.T) {
	var out bytes.Buffer
	var loops []prints.Loop
	if err := prints.Write(&out, prints.Options{}, func(l prints.Loop) { loops = append(loops, l) }); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(out.Bytes(), []byte("\n"))
	for _, l := range loops {
		for n := l.FirstLine; n <= l.LastLine; n++ {
			if line := lines[n-1]; !bytes.HasPrefix(line, []byte("G1 X")) || !bytes.Contains(line, []byte(" E")) {
				t.Fatalf("line %d of a loop is %q", n, line)
			}
		}
		if line := lines[l.FirstLine-2]; bytes.Contains(line, []byte(" E")) {
			t.Fatalf("line %d before a loop is a bead: %q", l.FirstLine-1, line)
		}
	}
}

func TestSizedPrintsHaveTheirSize(t *testing.T) {
	for _, megabytes := range []int64{3, 8} {
		o, err := prints.Sized(prints.Options{}, megabytes*1e6)
		if err != nil {
			t.Fatal(err)
		}
		var n countingWriter
		if err := prints.Write(&n, o, nil); err != nil {
			t.Fatal(err)
		}
		if got := float64(n) / float64(megabytes*1e6); got < 0.95 || got > 1.05 {
			t.Errorf("asked for %d MB, got %d bytes", megabytes, n)
		}
	}
}

type countingWriter int64

func (c *countingWriter) Write(b []byte) (int, error) {
	*c += countingWriter(len(b))
	return len(b), nil
}

func TestStepsFollowBedRampCapAndIgnoredLayers(t *testing.T) {
	ignored := func(layer int) bool { return layer == 6 }
	raised := prints.Loop{Ring: 1, From: 1, To: 12}
	tests := []struct {
		name  string
		start int
		want  []int // for layers 1 to 12
	}{
		{"from the bed", 2, []int{0, 1, 2, 2, 0, 0, 0, 1, 2, 2, 2, 0}},
		{"later start", 4, []int{0, 0, 0, 1, 0, 0, 0, 1, 2, 2, 2, 0}},
	}
	for _, tt := range tests {
		for i, want := range tt.want {
			l := raised
			l.Layer = i + 1
			if got, _ := l.Steps(tt.start, 2, ignored); got != want {
				t.Errorf("%s: layer %d is %d steps up, want %d", tt.name, l.Layer, got, want)
			}
		}
	}
	flat := prints.Loop{Ring: 2, From: 1, To: 12, Layer: 8}
	if got, _ := flat.Steps(2, 2, ignored); got != 0 {
		t.Errorf("an even ring is %d steps up", got)
	}
}

func TestNoNewlineEndsWithoutOne(t *testing.T) {
	for _, switches := range [][]string{nil, {"no-newline"}} {
		var out bytes.Buffer
		if err := prints.Write(&out, prints.Options{Switches: switches}, nil); err != nil {
			t.Fatal(err)
		}
		if ends := bytes.HasSuffix(out.Bytes(), []byte("\n")); ends != (switches == nil) {
			t.Errorf("%v: ends with a newline: %t", switches, ends)
		}
	}
}

func TestUnknownWordsAreRefused(t *testing.T) {
	for _, o := range []prints.Options{{Dialect: "x"}, {Switches: []string{"x"}}, {Scene: "x"}} {
		if err := prints.Write(io.Discard, o, nil); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
