package bricking_test

import (
	"archive/zip"
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/bgcodetest"
	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/internal/gcode/threemf"
	"bricklayers.dev/bricklayers/test/prints"
)

func decode(r io.Reader) (io.Reader, error) { return bgcode.NewReader(r, bgcode.DefaultMaxText) }

// rewriteBlocks bricks a binary file.
func rewriteBlocks(t *testing.T, in []byte, opt brick.Options) []byte {
	t.Helper()
	var out bytes.Buffer
	err := bgcode.Rewrite(bytes.NewReader(in), &out, func(text *bgcode.Reader, w io.Writer) error {
		_, err := brick.Transform(text, w, opt)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBinaryPrints(t *testing.T) {
	text := string(write(t, prints.Options{Switches: []string{"hole", "hop"}}))
	for _, compression := range []bgcode.Compression{
		bgcode.Uncompressed, bgcode.Deflate, bgcode.Heatshrink11x4, bgcode.Heatshrink12x4,
	} {
		for _, encoding := range []bgcode.Encoding{bgcode.Plain, bgcode.MeatPackComments} {
			in := bgcodetest.Print(compression, encoding, 60000, text)
			w := wish{start: 2, multiplier: 1.05, order: brick.OrderSlicer}
			opt := w.brick(t, nil)
			out := rewriteBlocks(t, in, opt)
			judge := w.check(opt)
			judge.Exact = true
			report, err := check.Blocks(bytes.NewReader(in), bytes.NewReader(out), decode, judge)
			if err != nil {
				t.Fatal(err)
			}
			if report.Violations() > 0 || report.Get("I27").Checked == 0 || report.Get("I5").Checked == 0 {
				t.Errorf("compression %d, encoding %d: %s", compression, encoding, report)
			}
		}
	}
}

// archive is a project with some plates.
func archive(t *testing.T, plates ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	add := func(name string, data []byte) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	add("3D/3dmodel.model", []byte("<model/>"))
	for i, p := range plates {
		name := fmt.Sprintf("Metadata/plate_%d.gcode", i+1)
		add(name, p)
		add(name+".md5", fmt.Appendf(nil, "%X", md5.Sum(p)))
	}
	add("Metadata/project_settings.config", []byte("{}"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestArchives(t *testing.T) {
	in := archive(t, write(t, prints.Options{Dialect: "bambu"}), write(t, prints.Options{Dialect: "bambu", Layers: 12}))
	w := wish{start: 2, multiplier: 1.05, order: brick.OrderSlicer}
	opt := w.brick(t, nil)
	out := rewriteArchive(t, in, opt)
	judge := w.check(opt)
	judge.Exact = true
	report, err := check.Archive(bytes.NewReader(in), bytes.NewReader(out), judge)
	if err != nil {
		t.Fatal(err)
	}
	if report.Violations() > 0 || report.Get("I27").Checked == 0 || report.Get("I5").Checked == 0 {
		t.Error(report)
	}
}

func rewriteArchive(t *testing.T, in []byte, opt brick.Options) []byte {
	t.Helper()
	var out bytes.Buffer
	brickPlate := func(_ string, text io.Reader, w io.Writer) error {
		_, err := brick.Transform(text, w, opt)
		return err
	}
	_, err := threemf.Rewrite(bytes.NewReader(in), int64(len(in)), &out, brickPlate)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
