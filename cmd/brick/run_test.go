package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/test/prints"
	"bricklayers.dev/bricklayers/test/samples"
)

func writePrint(t *testing.T, path string, o prints.Options) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := prints.Write(&text, o, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o640); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// brick runs the command and returns what it printed.
func runBrick(t *testing.T, stdin []byte, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, bytes.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestInPlaceKeepsPermissionsAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gcode")
	in := writePrint(t, path, prints.Options{})
	if code, _, stderr := runBrick(t, nil, path); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	out, err := os.ReadFile(path)
	if err != nil || bytes.Equal(in, out) || !bytes.Contains(out, []byte("; brick up")) {
		t.Fatalf("not processed (error %v)", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	code, _, stderr := runBrick(t, nil, path)
	again, _ := os.ReadFile(path)
	if code != exitInput || !strings.HasPrefix(stderr, "brick: already_processed: ") || !bytes.Equal(out, again) {
		t.Errorf("second run: exit code %d, %q, file changed %v", code, stderr, !bytes.Equal(out, again))
	}
}

func TestOutputIntoDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "part.v2.gcode")
	in := writePrint(t, path, prints.Options{})
	summary := filepath.Join(dir, "summary")
	code, stdout, stderr := runBrick(t, nil, "--json", "--summary", summary, "-o", dir, path)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var r report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Outcome != outcomeBricked || r.Stats.Raised == 0 {
		t.Errorf("statistics %+v, error %v", r, err)
	}
	if text, err := os.ReadFile(summary); err != nil || len(text) > 2048 || !json.Valid(text) {
		t.Errorf("summary %q, error %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "part.v2_brick.gcode")); err != nil {
		t.Error(err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, in) {
		t.Error("the input was changed")
	}
}

func TestFilterWritesWhatTheFileWouldHold(t *testing.T) {
	var text bytes.Buffer
	if err := prints.Write(&text, prints.Options{Dialect: "bambu"}, nil); err != nil { // settings at the head
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.gcode")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runBrick(t, text.Bytes())
	if code != 0 || !strings.Contains(stderr, "inner loops raised") {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := runBrick(t, nil, path); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	file, _ := os.ReadFile(path)
	digest := bytes.Index(file, []byte(" input-sha256="))
	file = append(file[:digest:digest], file[digest+len(" input-sha256=")+64:]...)
	if string(file) != stdout {
		t.Error("the filter and the file differ in more than the digest of the input")
	}
}

func TestFileThatNeedsNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gcode")
	in := writePrint(t, path, prints.Options{Switches: []string{"one-wall", "crlf"}})
	before, _ := os.Stat(path)
	code, _, stderr := runBrick(t, nil, path)
	after, _ := os.Stat(path)
	if code != 0 || !strings.HasPrefix(stderr, "brick: single_wall: ") || !os.SameFile(before, after) {
		t.Errorf("exit code %d, %q, same file %v", code, stderr, os.SameFile(before, after))
	}
	copied := filepath.Join(dir, "b.gcode")
	if code, _, stderr := runBrick(t, nil, "-o", copied, path); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if out, _ := os.ReadFile(copied); !bytes.Equal(in, out) {
		t.Error("the copy is not the input")
	}
}

func TestRefusals(t *testing.T) {
	const print = "G1 Z.2\nG1 X1 Y1\nG1 X2 E.1\nG1 X3 E.2\nG1 X4 E.3\nG1 X5 E.4\nG1 X6 E.5\nG1 X7 E.6\n" +
		"G1 X8 E.7\nG1 X9 E.8\nG1 X10 E.9\nG1 X11 E1\n"
	for _, tt := range []struct {
		name, content, reason string
		code                  int
	}{
		{"empty", "", "empty", exitInput},
		{"pdf", "%PDF-1.7\n", "not_gcode_pdf", exitInput},
		{"gzip", "\x1f\x8b\x08\x00", "compressed", exitInput},
		{"utf16", "\xff\xfeG\x001\x00", "utf16", exitInput},
		{"binary", "G1 X1\n\x00\x01", "binary_data", exitInput},

		{"torn zip", "PK\x03\x04....", "zip_bad", exitInput},
		{"torn bgcode", "GCDE\x01\x00\x00\x00", "bgcode_truncated", exitInput},
		{"picture", "\x89PNG\r\n", "not_gcode_picture", exitInput},
		{"model", "solid part\n facet normal 0 0 1\n", "not_gcode_model", exitInput},
		{"inches", "G20\n" + print, "units_inches", exitInput},
		{"checksums", print + "N1 G1 X5*33\n", "line_checksums", exitInput},
		{"bad number", print + "G1 X5 Y\n", "bad_number", exitInput},
		{"mill in inches", "G20\n" + strings.Repeat("G1 X1 Y1\nG1 X2\n", 100), "no_extrusion", exitInput},
		{"noise", "G1 X?\nG92 Q#\n" + strings.Repeat("a~b\n", 1000), "no_motion", exitInput},
		{"text", strings.Repeat("hello world\n", 100), "no_motion", exitInput},
		{"mill", strings.Repeat("G1 X1 Y1\nG1 X2\n", 100), "no_extrusion", exitInput},
		{"far", print + "G1 X3000\n", "coord_range", exitInput},
		{"long line", ";" + strings.Repeat("x", 70_000) + "\n", "line_too_long", exitInput},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.gcode")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			summary := filepath.Join(t.TempDir(), "summary")
			code, _, stderr := runBrick(t, nil, "--summary", summary, path)
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if code != tt.code || !strings.HasPrefix(lines[len(lines)-1], "brick: "+tt.reason+": ") {
				t.Errorf("exit code %d, %q", code, stderr)
			}
			if now, _ := os.ReadFile(path); string(now) != tt.content {
				t.Error("the input was changed")
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("left behind: %v", entries)
			}
			var r report
			text, _ := os.ReadFile(summary)
			if err := json.Unmarshal(text, &r); err != nil || r.Reason != tt.reason || r.Outcome != outcomeRefused {
				t.Errorf("summary %q, error %v", text, err)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{
		{"--start-layer=1", "a"}, {"--multiplier=9", "a"}, {"--multiplier=x", "a"}, {"--ignore-layers=5-3", "a"},
		{"--order=random", "a"}, {"--ramp=0", "a"}, {"--max-raise=0.6", "a"}, {"a", "b"}, {"--nonsense"}, {"--json"},
	} {
		if code, _, stderr := runBrick(t, nil, args...); code != exitUsage || !strings.HasPrefix(stderr, "brick: usage: ") {
			t.Errorf("%q: exit code %d, %q", args, code, stderr)
		}
	}
	if code, _, stderr := runBrick(t, nil, filepath.Join(t.TempDir(), "none")); code != exitIO {
		t.Errorf("missing file: exit code %d, %q", code, stderr)
	}
	if code, stdout, _ := runBrick(t, nil, "--version"); code != 0 || !strings.HasPrefix(stdout, "brick ") {
		t.Errorf("--version: exit code %d, %q", code, stdout)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gcode")
	in := writePrint(t, path, prints.Options{})
	code, stdout, stderr := runBrick(t, nil, "--dry-run", "--json", path)
	if now, _ := os.ReadFile(path); code != 0 || !bytes.Equal(in, now) || !strings.Contains(stdout, `"raised"`) {
		t.Errorf("exit code %d, changed %v: %s", code, !bytes.Equal(in, now), stderr)
	}
}

func TestInterruptLeavesTheFileAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gcode")
	in := writePrint(t, path, prints.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	code := run(ctx, []string{path}, nil, &out, &errs)
	now, _ := os.ReadFile(path)
	if entries, _ := os.ReadDir(dir); code != exitIO || len(entries) != 1 || !bytes.Equal(in, now) {
		t.Errorf("exit code %d, %v left, changed %v", code, entries, !bytes.Equal(in, now))
	}
}

// TestCheckKnowsTheOptions: a result fits the options it was made with, and no others.
func TestCheckKnowsTheOptions(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.gcode"), filepath.Join(dir, "b.gcode")
	writePrint(t, in, prints.Options{})
	for _, flags := range [][]string{
		{"--ramp", "4"}, {"--max-raise", "0.25"}, {"--include-lone=false", "--start-layer", "3"}, {"--order", "contour"},
	} {
		if code, _, stderr := runBrick(t, nil, slices.Concat(flags, []string{"-o", out, in})...); code != 0 {
			t.Fatalf("%v: exit code %d: %s", flags, code, stderr)
		}
		if code, stdout, _ := runBrick(t, nil, slices.Concat(flags, []string{"--check", in, out})...); code != 0 {
			t.Errorf("%v: exit code %d: %s", flags, code, stdout)
		}
		if code, _, _ := runBrick(t, nil, "--ramp", "7", "--check", in, out); code != exitInput {
			t.Errorf("%v: passes for another ramp, exit code %d", flags, code)
		}
	}
}

// TestDefectGivesTheOriginalBack has an engine whose result fails its own check after some of it was written.
func TestDefectGivesTheOriginalBack(t *testing.T) {
	dir := t.TempDir()
	path, out := filepath.Join(dir, "a.gcode"), filepath.Join(dir, "b.gcode")
	in := writePrint(t, path, prints.Options{})
	defective := func(_ io.Reader, w io.Writer, _ brick.Options) (*brick.Result, error) {
		_, err := w.Write([]byte("G1 X1 Y1 E99\n"))
		return nil, errors.Join(err, &brick.SelfcheckError{Line: 7, Text: "a bead was lost"})
	}
	for _, args := range [][]string{{path}, {"-o", out, path}, {}} {
		c, err := parse(args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		c.engine = defective
		var stdout, stderr bytes.Buffer
		code := c.run(context.Background(), bytes.NewReader(in), &stdout, &stderr)
		wantCode := 0
		if len(args) == 0 {
			wantCode = exitDefect // a pipe cannot be taken back
		}
		if code != wantCode || !strings.Contains(stderr.String(), "selfcheck_failed") {
			t.Errorf("%q: exit code %d: %s", args, code, &stderr)
		}
	}
	for _, name := range []string{path, out} {
		if text, err := os.ReadFile(name); err != nil || !bytes.Equal(text, in) {
			t.Errorf("%s is not the original (error %v)", name, err)
		}
	}
}

func TestSlicerHook(t *testing.T) {
	t.Setenv("SLIC3R_NOZZLE_DIAMETER", "0.15")
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gcode")
	writePrint(t, path, prints.Options{Dialect: "ideamaker"}) // says nothing of its nozzle
	code, _, stderr := runBrick(t, nil, path)
	if code != 0 || !strings.Contains(stderr, "bad_height") {
		t.Errorf("exit code %d: layers of 0.2 mm from a nozzle of 0.15 mm went by: %s", code, stderr)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.gcode"), filepath.Join(dir, "b.gcode")
	writePrint(t, in, prints.Options{})
	if code, _, stderr := runBrick(t, nil, "--multiplier=1.1", "-o", out, in); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if code, stdout, stderr := runBrick(t, nil, "--multiplier=1.1", "--check", in, out); code != 0 {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	text, _ := os.ReadFile(out)
	text = bytes.Replace(text, []byte("; brick down"), []byte("; brick dwon"), 1)
	text = bytes.Replace(text, []byte("M107\n"), nil, 1)
	if err := os.WriteFile(out, text, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runBrick(t, nil, "--multiplier=1.1", "--check", in, out)
	if code != exitInput || !strings.HasPrefix(stderr, "brick: check_failed: ") || !strings.Contains(stdout, "I14") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	path, out := filepath.Join(dir, "a.gcode.3mf"), filepath.Join(dir, "b.gcode.3mf")
	var text bytes.Buffer
	if err := prints.Write(&text, prints.Options{Dialect: "bambu"}, nil); err != nil {
		t.Fatal(err)
	}
	writeArchive(t, path, map[string][]byte{
		"Metadata/plate_1.gcode":     text.Bytes(),
		"Metadata/plate_1.gcode.md5": fmt.Appendf(nil, "%X", md5.Sum(text.Bytes())),
		"Metadata/plate_1.png":       []byte("\x89PNG"),
	})
	code, stdout, stderr := runBrick(t, nil, "--json", "-o", out, path)
	if code != 0 || !strings.Contains(stdout, `"name": "Metadata/plate_1.gcode"`) {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := runBrick(t, nil, "--check", path, out); code != 0 {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	content, _ := os.ReadFile(path)
	if code, stdout, stderr := runBrick(t, content); code != 0 || !strings.HasPrefix(stdout, "PK") {
		t.Errorf("as a filter: exit code %d: %s", code, stderr)
	}
}

func writeArchive(t *testing.T, path string, entries map[string][]byte) {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		entry, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write(entries[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSamples runs real files, where they are at hand, through everything: the result must pass the independent check
// and must not be processed again.
func TestSamples(t *testing.T) {
	dir := samples.Dir()
	for _, name := range []string{"3DBenchy.gcode", "calicat.gcode", "prim-cube.gcode", "prim-cube.bgcode"} {
		t.Run(name, func(t *testing.T) {
			in := filepath.Join(dir, name)
			if _, err := os.Stat(in); err != nil {
				t.Skip("no real prints: name a folder with some in BRICK_SAMPLES")
			}
			out := filepath.Join(t.TempDir(), name)
			if code, _, stderr := runBrick(t, nil, "-o", out, in); code != 0 || !strings.Contains(stderr, "raised") {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			if code, stdout, stderr := runBrick(t, nil, "--check", in, out); code != 0 {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
			if code, _, stderr := runBrick(t, nil, out); code != exitInput || !strings.Contains(stderr, "already_processed") {
				t.Errorf("second run: exit code %d: %s", code, stderr)
			}
		})
	}
}
