package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/test/prints"
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
	for _, tt := range []struct {
		name, content, reason string
		code                  int
	}{
		{"empty", "", "empty", exitInput},
		{"pdf", "%PDF-1.7\n", "not_gcode_pdf", exitInput},
		{"gzip", "\x1f\x8b\x08\x00", "compressed", exitInput},
		{"utf16", "\xff\xfeG\x001\x00", "utf16", exitInput},
		{"binary", "G1 X1\n\x00\x01", "binary_data", exitInput},

		{"torn bgcode", "GCDE\x01\x00\x00\x00", "bgcode_truncated", exitInput},
		{"inches", "G20\n", "units_inches", exitInput},
		{"text", strings.Repeat("hello world\n", 100), "no_motion", exitInput},
		{"mill", strings.Repeat("G1 X1 Y1\nG1 X2\n", 100), "no_extrusion", exitInput},
		{"far", "G1 X3000\n", "coord_range", exitInput},
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
		{"--order=random", "a"}, {"a", "b"}, {"--nonsense"}, {"--json"},
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
