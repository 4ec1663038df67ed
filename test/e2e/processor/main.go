// Command processor is the Processor of the end-to-end tests: it behaves, well or badly, as its first argument says.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "processor: say how to behave: copy, inspect, input-at-fault, fail, nothing, hang, eat-memory")
		os.Exit(2)
	}
	if err := behave(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "processor: %v\n", err)
		os.Exit(1)
	}
}

func behave(how string) error {
	switch how {
	case "copy":
		return copyInput()
	case "inspect":
		return inspect()
	case "input-at-fault":
		fmt.Fprintln(os.Stderr, "processor: wrong_shape: the file has the wrong shape; send another")
		os.Exit(65)
	case "fail":
		return fmt.Errorf("it always fails")
	case "nothing": // ends well and leaves no file
	case "hang":
		time.Sleep(time.Hour)
	case "eat-memory":
		return eatMemory()
	default:
		return fmt.Errorf("unknown behaviour %q", how)
	}
	return nil
}

func copyInput() error {
	input := os.Getenv("INPUT_FILE")
	content, err := os.ReadFile(input)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(os.Getenv("OUTPUT_DIR"), "copy-of-"+filepath.Base(input)), content, 0o644)
}

// inspect reports what the process can see and do.
func inspect() error {
	var report strings.Builder
	for _, variable := range os.Environ() {
		fmt.Fprintf(&report, "env %s\n", variable)
	}
	err := filepath.WalkDir("/", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case path == "/proc" || path == "/sys" || path == "/dev":
			return fs.SkipDir
		case err == nil && !entry.IsDir():
			fmt.Fprintf(&report, "file %s\n", path)
		}
		return nil // what cannot be read is no finding
	})
	if err != nil {
		return err
	}
	for _, path := range []string{"/", "/tmp", filepath.Dir(os.Getenv("INPUT_FILE"))} {
		if os.WriteFile(filepath.Join(path, "written"), nil, 0o644) == nil {
			fmt.Fprintf(&report, "writable %s\n", path)
		}
	}
	fmt.Fprintf(&report, "uid %d\n", os.Getuid())
	return os.WriteFile(filepath.Join(os.Getenv("OUTPUT_DIR"), "report.txt"), []byte(report.String()), 0o644)
}

// eatMemory needs more than 100 MiB, which one limit allows and a smaller one does not.
func eatMemory() error {
	block := make([]byte, 100<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	return copyInput()
}
