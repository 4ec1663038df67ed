// Command brick measures brick against a plain program that reads the same file line by line, parses it and writes it
// out again. Both run as processes of their own, in turns, and the best of several runs counts, because everything
// that disturbs a run makes it slower.
//
// It prints a line of JSON for each figure and exits with 1 when one misses its bar.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

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
	exit(bench(*runs, *large, *samples))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench brick:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func bench(runs, large int, samples string) error {
	dir, err := os.MkdirTemp("", "bench-brick-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bencher{dir: dir, runs: runs}
	if err := b.build(); err != nil {
		return err
	}
	small, err := b.speed("10MB", 10, "prusa")
	if err != nil {
		return err
	}
	if _, err := b.speed("50MB", 50, "cura"); err != nil {
		return err
	}
	big, err := b.speed(fmt.Sprintf("%dMB", large), large, "prusa")
	if err != nil {
		return err
	}
	b.AtMost(fmt.Sprintf("rss_growth_10MB_to_%dMB", large), (float64(big)/float64(small)-1)*100, "%", 10)
	if path := filepath.Join(samples, "3DBenchy.gcode"); samples != "" {
		if _, err := b.compare("benchy", path); err != nil {
			return err
		}
	}
	if err := b.allocations(); err != nil {
		return err
	}
	return b.Err()
}
