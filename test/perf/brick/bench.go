package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/perf/figure"
	"bricklayers.dev/bricklayers/test/prints"
)

type bencher struct {
	figure.Printer
	dir  string
	runs int
	exe  string // the brick command
}

// build builds the command as it is shipped: without cgo, which would load a C library at every start.
func (b *bencher) build() error {
	b.exe = filepath.Join(b.dir, "brick")
	cmd := exec.Command("go", "build", "-trimpath", "-o", b.exe, "bricklayers.dev/bricklayers/cmd/brick")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build brick: %w\n%s", err, out)
	}
	return nil
}

// speed measures a generated print and returns the most memory brick took for it, in KB.
func (b *bencher) speed(name string, megabytes int, dialect string) (rss int64, err error) {
	o, err := tall(dialect, int64(megabytes)<<20)
	if err != nil {
		return 0, err
	}
	path := filepath.Join(b.dir, name+".gcode")
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := prints.Write(w, o, nil); err != nil {
		return 0, err
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	defer os.Remove(path)
	return b.compare(name, path)
}

// tall returns a print of about so many bytes whose layers are all alike, however many that takes: what is measured is
// whether memory grows with the length of a file.
func tall(dialect string, size int64) (prints.Options, error) {
	o := prints.Options{Dialect: dialect, Scene: "bushing", Layers: 100, Height: 0.1} // no more than 2 m high
	var count counter
	if err := prints.Write(&count, o, nil); err != nil {
		return o, err
	}
	o.Layers = int(100 * size / int64(count))
	return o, nil
}

// counter counts the bytes that are written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// compare measures brick and the plain program on the file at path, on two cores and on one.
func (b *bencher) compare(name, path string) (rss int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out := filepath.Join(b.dir, "out.gcode")
	mb := float64(info.Size()) / 1e6
	for cores, bar := range map[int]float64{2: 0.35, 1: 0.20} {
		var bricked, plain time.Duration
		for range b.runs {
			wall, memory, err := measure(cores, b.exe, "-o", out, path)
			if err != nil {
				return 0, err
			}
			rss = max(rss, memory)
			bricked = least(bricked, wall)
			if wall, _, err = measure(1, self, plainArg, path, out+".plain"); err != nil {
				return 0, err
			}
			plain = least(plain, wall)
		}
		at := fmt.Sprintf("%s_%d_core", name, cores)
		b.Info(at+"_speed", mb/bricked.Seconds(), "MB/s")
		b.Info(at+"_plain_speed", mb/plain.Seconds(), "MB/s")
		b.AtLeast(at+"_ratio", plain.Seconds()/bricked.Seconds(), "1", bar)
	}
	b.AtMost(name+"_rss", float64(rss)/1024, "MiB", 64)
	if err := b.verify(name, path, out); err != nil {
		return 0, err
	}
	return rss, nil
}

// verify lets the independent checker look at the result that was measured.
func (b *bencher) verify(name, in, out string) error {
	noBinary := func(io.Reader) (io.Reader, error) { return nil, fmt.Errorf("not a binary file") }
	report, err := check.Files(in, out, noBinary, check.Options{Multiplier: 1.05, Up: brick.StampUp, Down: brick.StampDown})
	if err != nil {
		return err
	}
	violations := report.Violations()
	if violations > 0 {
		fmt.Fprintln(os.Stderr, report)
	}
	b.AtMost(name+"_violations", float64(violations), "1", 0)
	return nil
}

func least(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}

// allocations counts what a longer print allocates more than a shorter one, for each line that it is longer.
func (b *bencher) allocations() error {
	var mallocs, lines [2]float64
	for i, layers := range []int{300, 600} {
		var in bytes.Buffer
		if err := prints.Write(&in, prints.Options{Scene: "bushing", Layers: layers}, nil); err != nil {
			return err
		}
		opt := brick.DefaultOptions()
		opt.Workers = 1
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res, err := brick.Transform(bytes.NewReader(in.Bytes()), io.Discard, opt)
		if err != nil {
			return err
		}
		runtime.ReadMemStats(&after)
		mallocs[i], lines[i] = float64(after.Mallocs-before.Mallocs), float64(res.Stats.LinesIn)
	}
	// A pool that grows once more in one run than in the other is no allocation per line.
	perLine := (mallocs[1] - mallocs[0]) / (lines[1] - lines[0])
	b.AtMost("allocations_per_line", perLine, "1", 0.0001)
	return nil
}
