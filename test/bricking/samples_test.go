package bricking_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/samples"
)

// realPrints lists the real prints that are at hand.
func realPrints(t *testing.T) []string {
	t.Helper()
	dir := samples.Dir()
	if dir == "" {
		t.Skip("no real prints: name a folder with some in BRICK_SAMPLES")
	}
	var all []string
	for _, pattern := range []string{"*.gcode", "*.bgcode", "*.gcode.3mf"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		t.Skip("no real prints: name a directory with some in BRICK_SAMPLES")
	}
	return all
}

func TestRealPrints(t *testing.T) {
	for _, name := range realPrints(t) {
		in, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, order := range orders {
			t.Run(filepath.Base(name)+"/"+string(order), func(t *testing.T) {
				t.Parallel()
				w := wish{start: 2, multiplier: 1.05, order: order}
				switch {
				case strings.HasSuffix(name, ".bgcode"):
					realBlocks(t, in, w)
				case strings.HasSuffix(name, ".3mf"):
					realArchive(t, in, w)
				default:
					realText(t, in, w)
				}
			})
		}
	}
}

func realText(t *testing.T, in []byte, w wish) {
	opt := w.brick(t, in)
	out, reason := transform(t, in, opt)
	if reason != "" {
		if out != nil && !bytes.Equal(in, out) {
			t.Errorf("%s, but the output differs", reason)
		}
		t.Log(reason)
		return
	}
	report, err := check.Compare(bytes.NewReader(in), bytes.NewReader(out), w.check(opt).WithSettings(in))
	if err != nil {
		t.Fatal(err)
	}
	judge(t, report)
}

func judge(t *testing.T, report *check.Report) {
	t.Helper()
	if report.Violations() > 0 {
		t.Error(report)
		return
	}
	for _, id := range []string{"I17", "I18", "I19", "I20", "I21"} {
		t.Log(id, report.Get(id).Measured)
	}
}

func realBlocks(t *testing.T, in []byte, w wish) {
	opt := w.brick(t, nil)
	out := rewriteBlocks(t, in, opt)
	report, err := check.Blocks(bytes.NewReader(in), bytes.NewReader(out), decode, w.check(opt))
	if err != nil {
		t.Fatal(err)
	}
	judge(t, report)
}

func realArchive(t *testing.T, in []byte, w wish) {
	opt := w.brick(t, nil)
	out := rewriteArchive(t, in, opt)
	report, err := check.Archive(bytes.NewReader(in), bytes.NewReader(out), w.check(opt))
	if err != nil {
		t.Fatal(err)
	}
	judge(t, report)
}
