package validate_test

import (
	"archive/zip"
	"bytes"
	"crypto/md5" //nolint:gosec // the format's
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/bgcodetest"
	"bricklayers.dev/bricklayers/internal/gcode/validate"
)

// binary returns binary G-code with the settings of the sound print in its metadata, and not in its text.
func binary(text string) string {
	blocks := []bgcodetest.Block{
		bgcodetest.Metadata(bgcode.FileMetadata, bgcode.Uncompressed, "Producer=PrusaSlicer 2.9.6\n"),
		bgcodetest.Metadata(bgcode.SlicerMetadata, bgcode.Deflate, "nozzle_diameter=0.4,0.4\nperimeters=3\n"),
	}
	blocks = append(blocks, bgcodetest.Text(bgcode.Heatshrink12x4, bgcode.MeatPack, 1000, text)...)
	return string(bgcodetest.File(blocks...))
}

func text() string { return "M83\n" + layers(10, 0.2) + finish }

func TestBinary(t *testing.T) {
	opts := validate.Options{Name: "a.bgcode"}
	result := want(t, binary(text()), opts, ok())
	if result.Format != validate.BinaryGCode || result.Slicer != "PrusaSlicer 2.9.6" {
		t.Errorf("got %+v", result)
	}
	flipped := []byte(binary(text()))
	flipped[len(flipped)-10] ^= 1
	for name, tt := range map[string]struct {
		file string
		want answer
	}{
		"cut":           {binary(text())[:300], rejected("bgcode_truncated")},
		"cut early":     {"GCDE", rejected("bgcode_truncated")},
		"damaged":       {string(flipped), rejected("bgcode_checksum")},
		"version":       {strings.Replace(binary(text()), "GCDE\x01", "GCDE\x02", 1), rejected("bgcode_version")},
		"no G-code":     {string(bgcodetest.File(bgcodetest.Preamble()...)), rejected("bgcode_no_gcode")},
		"no text":       {binary(""), rejected("empty")},
		"junk behind":   {binary(text()) + "junkjunkjunk", rejected("bgcode_block")},
		"for a mill":    {binary(strings.Repeat("G1X1Y1\n", 100)), rejected("no_extrusion")},
		"processed":     {binary("; bricklayers.dev/brick v1\n" + text()), rejected("already_processed")},
		"inches":        {binary("G20\n" + text()), rejected("units_inches")},
		"cut text":      {binary("M83\n" + layers(10, 0.2)), warned("maybe_truncated")},
		"no labels":     {binary(strings.ReplaceAll(text(), ";", "; ;")), noop("unknown_dialect")},
		"NUL":           {binary("M83\x00\n" + text()), rejected("binary_data")},
		"a bomb inside": {binary(strings.Repeat("G1X1Y1E1\n", 200_000)), rejected("inflate_limit")},
	} {
		t.Run(name, func(t *testing.T) {
			opts.MaxText = 1 << 20
			want(t, tt.file, opts, tt.want)
		})
	}
	want(t, binary(text()), validate.Options{Name: "a.gcode"}, warned("ext_mismatch"))
}

// project returns an archive of these entries, name and contents in turn.
func project(t testing.TB, entries ...string) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(entries); i += 2 {
		entry, err := w.Create(entries[i])
		if err == nil {
			_, err = entry.Write([]byte(entries[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestProject(t *testing.T) {
	opts := validate.Options{Name: "a.gcode.3mf"}
	const plate, other = "Metadata/plate_1.gcode", "Metadata/plate_2.gcode"
	sum := fmt.Sprintf("%X", md5.Sum([]byte(sound()))) //nolint:gosec // the format's
	good := project(t, "3D/model", "x", plate, sound(), plate+".md5", sum)
	result := want(t, good, opts, ok())
	if result.Format != validate.Project || result.Plates != 1 || result.Slicer != "PrusaSlicer 2.9.2" {
		t.Errorf("got %+v", result)
	}
	noLabels := strings.ReplaceAll(sound(), ";TYPE:", ";")
	for name, tt := range map[string]struct {
		file string
		want answer
	}{
		"wrong MD5":  {project(t, plate, sound(), plate+".md5", strings.Repeat("0", 32)), warned("3mf_md5_mismatch")},
		"two plates": {project(t, plate, sound(), other, sound()), warned("3mf_many_plates")},
		"one of two": {project(t, plate, noLabels, other, sound()), warned("3mf_many_plates")},
		"none of two": {
			project(t, plate, noLabels, other, noLabels),
			answer{validate.ClassNoop, "unknown_dialect", []string{"3mf_many_plates"}},
		},
		"not sliced":       {project(t, "3D/model", "x"), rejected("3mf_no_gcode")},
		"empty archive":    {project(t), rejected("3mf_no_gcode")},
		"bad plate":        {project(t, plate, sound(), other, "G20\n"+text()), rejected("units_inches")},
		"empty plate":      {project(t, plate, ""), rejected("empty")},
		"cut":              {good[:len(good)-30], rejected("zip_bad")},
		"cut early":        {"PK\x03\x04", rejected("zip_bad")},
		"trailing":         {good + "x", rejected("zip_bad")},
		"traversal":        {project(t, plate, sound(), "../x", "x"), rejected("zip_path")},
		"bomb":             {project(t, plate, strings.Repeat("G1 X1 Y1 E1\n", 300_000)), rejected("inflate_limit")},
		"bomb beside":      {project(t, plate, sound(), "x", strings.Repeat("\x00", 4<<20)), rejected("inflate_limit")},
		"truncated plate":  {project(t, plate, begin+layers(5, 0.2)), warned("default_width", "maybe_truncated")},
		"processed before": {project(t, plate, "; bricklayers.dev/brick v1\n"+sound()), rejected("already_processed")},
	} {
		t.Run(name, func(t *testing.T) {
			opts.MaxText = 16 << 20
			want(t, tt.file, opts, tt.want)
		})
	}
}

func TestDetailNamesThePlate(t *testing.T) {
	result, err := check(project(t, "Metadata/plate_3.gcode", "G20\n"+text()), validate.Options{}, 1000)
	if err == nil || !strings.HasPrefix(result.Detail, "Metadata/plate_3.gcode: line 1 ") {
		t.Errorf("got %+v", result)
	}
}

func TestNoGoroutineStaysBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, file := range []string{
		binary(text()), binary(text())[:200], project(t, "Metadata/plate_1.gcode", sound()), "GCDE\x09" + sound(),
	} {
		for _, size := range []int{1, 1 << 20} {
			check(file, validate.Options{}, size) //nolint:errcheck // what it says is checked elsewhere
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines became %d", before, runtime.NumGoroutine())
		}
	}
}
