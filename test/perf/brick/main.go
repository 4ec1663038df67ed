// Command brick measures brick against a plain program that reads the same file line by line, parses it and writes it
// out again. Both run as processes of their own, in turns, and the best of several runs counts, because everything
// that disturbs a run makes it slower.
//
// It prints a line of JSON for each figure and exits with 1 when one misses its bar.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// figure is one line of the output.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Bar   float64 `json:"bar,omitempty"`
	OK    bool    `json:"ok"`
}

func main() {
	switch {
	case len(os.Args) == 4 && os.Args[1] == plainArg:
		exit(plain(os.Args[2], os.Args[3]))
	case len(os.Args) > 2 && os.Args[1] == measureArg:
		exit(runMeasured(os.Args[2:]))
	}
	runs := flag.Int("runs", 5, "runs of each, of which the best counts")
	large := flag.Int("large", 300, "size of the largest file in MB")
	samples := flag.String("samples", os.Getenv("BRICK_SAMPLES"), "directory with 3DBenchy.gcode, if there is one")
	flag.Parse()
	ok, err := bench(*runs, *large, *samples)
	if err == nil && !ok {
		err = fmt.Errorf("a figure misses its bar")
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench brick:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func bench(runs, large int, samples string) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "bench-brick-*")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	b := &bencher{dir: dir, runs: runs, ok: true}
	if err := b.build(); err != nil {
		return false, err
	}
	small, err := b.speed("10MB", 10, "prusa")
	if err != nil {
		return false, err
	}
	if _, err := b.speed("50MB", 50, "cura"); err != nil {
		return false, err
	}
	big, err := b.speed(fmt.Sprintf("%dMB", large), large, "prusa")
	if err != nil {
		return false, err
	}
	b.report(figure{Name: "rss_growth_10MB_to_" + fmt.Sprintf("%dMB", large), Unit: "%", Bar: 10,
		Value: (float64(big)/float64(small) - 1) * 100}, false)
	if path := filepath.Join(samples, "3DBenchy.gcode"); samples != "" {
		if _, err := b.compare("benchy", path); err != nil {
			return false, err
		}
	}
	if err := b.allocations(); err != nil {
		return false, err
	}
	return b.ok, nil
}

// report prints f, which is to stay under its bar, or to reach it when more is better.
func (b *bencher) report(f figure, moreIsBetter bool) {
	f.OK = f.Bar == 0 || moreIsBetter && f.Value >= f.Bar || !moreIsBetter && f.Value <= f.Bar
	b.ok = b.ok && f.OK
	line, err := json.Marshal(f)
	if err != nil { // a figure is made of plain values
		panic(err)
	}
	fmt.Println(string(line))
}
