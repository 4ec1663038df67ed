// Package samples finds real prints to test with, which are not part of the project.
package samples

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir is the folder that BRICK_SAMPLES names, or one called samples in a folder beside the checkout. "": there is none.
func Dir() string {
	if dir := os.Getenv("BRICK_SAMPLES"); dir != "" {
		return dir
	}
	root, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; root != filepath.Dir(root); root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
			continue
		}
		if found, err := filepath.Glob(filepath.Join(root, "..", "*", "samples", "3DBenchy.gcode")); err == nil && len(found) > 0 {
			return filepath.Dir(found[0])
		}
		return ""
	}
	return ""
}

// File reads one of them, and skips the test where there is none.
func File(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(Dir(), name))
	if err != nil {
		t.Skipf("no real prints: name a folder with %s in BRICK_SAMPLES", name)
	}
	return data
}
