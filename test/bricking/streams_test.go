package bricking_test

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/test/prints"
)

var ordinary = []prints.Options{
	{Switches: []string{"hole", "hop", "machine"}},
	{Dialect: "cura", Switches: []string{"sequential", "crlf"}},
	{Dialect: "bambu", Switches: []string{"adaptive", "arcs", "toolchange"}},
	{Dialect: "ideamaker", Switches: []string{"raft", "no-newline"}},
}

func write(t *testing.T, o prints.Options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := prints.Write(&out, o, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// chunks reads at most n bytes at a time.
type chunks struct {
	r io.Reader
	n int
}

func (c chunks) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.n)]) }

// TestSameBytesWhateverTheReadsAndWorkers is invariant I22: nothing but the input decides what comes out.
func TestSameBytesWhateverTheReadsAndWorkers(t *testing.T) {
	for _, o := range ordinary {
		in := write(t, o)
		for _, order := range orders {
			w := wish{start: 2, multiplier: 1.05, order: order}
			opt := w.brick(t, in)
			opt.Workers = 1
			want, reason := transform(t, in, opt)
			if reason != "" {
				t.Fatalf("%s: %s", o.Name(), reason)
			}
			for _, workers := range []int{1, 2, 7} {
				for name, r := range map[string]io.Reader{
					"single bytes": iotest.OneByteReader(bytes.NewReader(in)),
					"pieces":       chunks{bytes.NewReader(in), 977},
					"late end":     iotest.DataErrReader(bytes.NewReader(in)),
					"all at once":  bytes.NewReader(in),
				} {
					opt.Workers = workers
					var out bytes.Buffer
					if _, err := brick.Transform(r, &out, opt); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(out.Bytes(), want) {
						t.Errorf("%s, %s, %d workers, %s: other bytes", o.Name(), order, workers, name)
					}
				}
			}
		}
	}
}

func TestSecondRunIsRefused(t *testing.T) {
	for _, o := range ordinary {
		in := write(t, o)
		for _, order := range orders {
			opt := wish{start: 2, multiplier: 1.05, order: order}.brick(t, in)
			once, _ := transform(t, in, opt)
			if _, reason := transform(t, once, opt); reason != string(brick.AlreadyProcessed) {
				t.Errorf("%s, %s: reason %q", o.Name(), order, reason)
			}
		}
	}
}
