package threemf

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/test/samples"
)

func identity(_ string, in io.Reader, out io.Writer) error {
	_, err := io.Copy(out, in)
	return err
}

func appendLine(plate string, in io.Reader, out io.Writer) error {
	if err := identity(plate, in, out); err != nil {
		return err
	}
	_, err := io.WriteString(out, "; "+plate+"\n")
	return err
}

func rewrite(t *testing.T, archive []byte, transform Transform) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := Rewrite(bytes.NewReader(archive), int64(len(archive)), &out, transform); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// contents returns the entries of an archive, inflated and as stored.
func contents(t *testing.T, archive []byte) (text, stored map[string]string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	text, stored = map[string]string{}, map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := f.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		for kind, src := range map[*map[string]string]io.Reader{&text: in, &stored: raw} {
			data, err := io.ReadAll(src)
			if err != nil {
				t.Fatal(f.Name, err)
			}
			(*kind)[f.Name] = string(data)
		}
	}
	return text, stored
}

func TestRewriteChangesPlatesAndTheirMD5Only(t *testing.T) {
	second := zipEntry{name: "Metadata/plate_2.gcode", data: "M84\n"}
	secondSum := zipEntry{name: "Metadata/plate_2.gcode.md5", data: "outdated"}
	for name, entries := range map[string][]zipEntry{
		"one plate":      project(),
		"two plates":     append(project(), second, secondSum),
		"MD5 before":     append([]zipEntry{secondSum}, append(project(), second)...),
		"plate, no MD5":  append(project(), second),
		"MD5, no plate":  append(project(), secondSum),
		"plates by name": append([]zipEntry{second}, project()...),
	} {
		t.Run(name, func(t *testing.T) {
			in := buildZip(t, entries...)
			before, beforeStored := contents(t, in)
			out := rewrite(t, in, appendLine)
			after, afterStored := contents(t, out)
			if len(after) != len(before) {
				t.Errorf("%d entries became %d", len(before), len(after))
			}
			for name, text := range after {
				plate, isSum := plateOfMD5(name)
				_, hasPlate := before[plate]
				switch {
				case isPlate(name):
					if text != before[name]+"; "+name+"\n" {
						t.Errorf("%s became %q", name, text)
					}
				case isSum && hasPlate:
					if text != md5Of(after[plate]) {
						t.Errorf("%s is %q, but the MD5 is %q", name, text, md5Of(after[plate]))
					}
				case afterStored[name] != beforeStored[name]:
					t.Errorf("%s changed", name)
				}
			}
			check(t, out, "", slicesIf(len(entries) > len(project()) && name != "MD5, no plate", WarnManyPlates)...)
		})
	}
}

func slicesIf(is bool, s ...string) []string {
	if is {
		return s
	}
	return nil
}

func TestRewriteKeepsWhatHeadersSay(t *testing.T) {
	a := &zipArchive{t: t, comment: "a comment"}
	for _, e := range project() {
		e.central = func(h *zipHeader) { h.comment = []byte("of " + h.name) }
		a.add(e)
	}
	in := a.close()
	out := rewrite(t, in, appendLine)
	before, err := zip.NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	after, err := zip.NewReader(bytes.NewReader(out), int64(len(out)))
	if err != nil {
		t.Fatal(err)
	}
	if after.Comment != before.Comment {
		t.Errorf("comment %q became %q", before.Comment, after.Comment)
	}
	for i, f := range before.File {
		g := after.File[i]
		if g.Name != f.Name || g.Method != f.Method || g.Comment != f.Comment || !g.Modified.Equal(f.Modified) {
			t.Errorf("%+v\nbecame %+v", f.FileHeader, g.FileHeader)
		}
	}
}

func TestRewriteReportsTheErrorsOfItsStreamsAndOfTransform(t *testing.T) {
	archive := buildZip(t, project()...)
	broken := errors.New("broken")
	size := int64(len(archive))
	fail := func(string, io.Reader, io.Writer) error { return broken }
	if _, err := Rewrite(bytes.NewReader(archive), size, io.Discard, fail); !errors.Is(err, broken) {
		t.Errorf("transform failing: %v", err)
	}
	for n := 0; n < 1000; n += 13 {
		_, err := Rewrite(bytes.NewReader(archive), size, &failingWriter{after: n, err: broken}, identity)
		if !errors.Is(err, broken) {
			t.Fatalf("writer failing after %d bytes: %v", n, err)
		}
	}
	for n := 0; n < len(archive); n += 13 {
		_, err := Rewrite(&failingReaderAt{bytes.NewReader(archive), int64(n), broken}, size, io.Discard, identity)
		if !errors.Is(err, broken) {
			t.Fatalf("reader failing at byte %d: %v", n, err)
		}
	}
}

type failingWriter struct {
	after int
	err   error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, w.err
	}
	return len(p), nil
}

// failingReaderAt cannot read one byte.
type failingReaderAt struct {
	*bytes.Reader
	at  int64
	err error
}

func (r *failingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off <= r.at && r.at < off+int64(len(p)) {
		return 0, r.err
	}
	return r.Reader.ReadAt(p, off)
}

func TestRewriteNoticesDamageThatTransformDidNotSee(t *testing.T) {
	wrong := func(h *zipHeader) { h.crc++ }
	bad := buildZip(t, zipEntry{name: "Metadata/plate_1.gcode", data: plateText, local: wrong, central: wrong})
	for name, transform := range map[string]Transform{
		"reads nothing": func(string, io.Reader, io.Writer) error { return nil },
		"swallows it": func(_ string, in io.Reader, out io.Writer) error {
			io.Copy(out, in) //nolint:errcheck // what this test is about
			return errors.New("something else")
		},
	} {
		if _, err := Rewrite(bytes.NewReader(bad), int64(len(bad)), io.Discard, transform); reasonOf(err) != ReasonBad {
			t.Errorf("transform %s: %v", name, err)
		}
	}
}

func TestSampleProjects(t *testing.T) {
	check(t, samples.File(t, "mini-project.gcode.3mf"), "", WarnManyPlates)
	check(t, samples.File(t, "model-project.3mf"), ReasonNoGCode)
	text, _ := contents(t, rewrite(t, samples.File(t, "mini-project.gcode.3mf"), appendLine))
	for _, plate := range []string{"Metadata/plate_1.gcode", "Metadata/plate_2.gcode"} {
		if !strings.HasSuffix(text[plate], "; "+plate+"\n") {
			t.Errorf("%s was not rewritten", plate)
		}
	}
}
