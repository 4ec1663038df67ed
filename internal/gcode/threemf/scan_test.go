package threemf

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// scan returns what was found and the text of all plates.
func scan(src io.Reader, maxText int64) (Result, string, error) {
	var texts strings.Builder
	result, err := Scan(src, maxText, func(plate string, text io.Reader) error {
		texts.WriteString(plate + ":")
		_, err := io.Copy(&texts, text)
		return err
	})
	return result, texts.String(), err
}

func reasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason()
	}
	return ""
}

// check scans and rewrites an archive and wants both to refuse it for the same reason, or both to like it.
func check(t *testing.T, archive []byte, reason string, warnings ...string) {
	t.Helper()
	scanned, _, scanErr := scan(bytes.NewReader(archive), 1<<30)
	rewritten, rewriteErr := Rewrite(bytes.NewReader(archive), int64(len(archive)), io.Discard, identity)
	for how, err := range map[string]error{"scanning": scanErr, "rewriting": rewriteErr} {
		if reasonOf(err) != reason || (err != nil) != (reason != "") {
			t.Errorf("%s: %v; want %q", how, err, reason)
		}
	}
	if reason == "" && (!slices.Equal(scanned.Warnings, warnings) || !slices.Equal(rewritten.Warnings, warnings)) {
		t.Errorf("warnings %v, %v; want %v", scanned.Warnings, rewritten.Warnings, warnings)
	}
}

func TestScanReadsWhatSlicersWrite(t *testing.T) {
	archive := buildZip(t, project()...)
	for name, src := range map[string]io.Reader{
		"whole":       bytes.NewReader(archive),
		"by the byte": iotest.OneByteReader(bytes.NewReader(archive)),
		"eof in hand": iotest.DataErrReader(bytes.NewReader(archive)),
	} {
		result, texts, err := scan(src, 1<<20)
		if err != nil || result.Plates != 1 || len(result.Warnings) > 0 || texts != "Metadata/plate_1.gcode:"+plateText {
			t.Errorf("%s: %+v, %q, %v", name, result, texts, err)
		}
	}
	check(t, archive, "")
}

func TestEveryWayToStateSizes(t *testing.T) {
	for bits := range 16 {
		e := zipEntry{
			name: "Metadata/plate_1.gcode", data: strings.Repeat(plateText, 5000),
			deflate: bits&1 > 0, behind: bits&2 > 0, wide: bits&4 > 0, unsigned: bits&8 > 0,
		}
		if e.unsigned && !(e.behind && e.deflate) { // of data stored as it is, the end would not show
			continue
		}
		_, texts, err := scan(bytes.NewReader(buildZip(t, e)), 1<<20)
		if err != nil || texts != e.name+":"+e.data {
			t.Errorf("%+v: %d bytes of text, %v", e.deflate, len(texts), err)
		}
	}
}

func TestStoredDataFullOfSignatures(t *testing.T) {
	data := strings.Repeat("PK\x07\x08", 30_000) + "PPKPK\x07" + strings.Repeat("P", 100_000)
	e := zipEntry{name: "Metadata/plate_1.gcode", data: data, behind: true}
	for name, src := range map[string]io.Reader{
		"whole":     bytes.NewReader(buildZip(t, e)),
		"by halves": iotest.HalfReader(bytes.NewReader(buildZip(t, e))),
	} {
		if _, texts, err := scan(src, 1<<20); err != nil || texts != e.name+":"+data {
			t.Errorf("%s: %d bytes of text instead of %d, %v", name, len(texts), len(data), err)
		}
	}
}

func TestManyPlatesAndTheirMD5(t *testing.T) {
	one, two := "G1 X1\n", "G1 X2\n"
	plates := []zipEntry{
		{name: "Metadata/plate_1.gcode", data: one}, {name: "Metadata/plate_12.gcode", data: two, deflate: true},
	}
	sum := func(n, data string) zipEntry { return zipEntry{name: "Metadata/plate_" + n + ".gcode.md5", data: data} }
	check(t, buildZip(t, plates...), "", WarnManyPlates)
	lower := sum("12", strings.ToLower(md5Of(two))+"\n")
	check(t, buildZip(t, append(plates, sum("1", md5Of(one)), lower)...), "", WarnManyPlates)
	check(t, buildZip(t, append([]zipEntry{sum("1", md5Of(one))}, plates...)...), "", WarnManyPlates)
	wrong := sum("1", md5Of(two))
	check(t, buildZip(t, append(plates, wrong, lower)...), "", WarnMD5Mismatch, WarnManyPlates)
	check(t, buildZip(t, append(plates, sum("7", md5Of(two)))...), "", WarnManyPlates) // of no plate
}

func TestNotSliced(t *testing.T) {
	check(t, buildZip(t), ReasonNoGCode)
	check(t, buildZip(t, zipEntry{name: "3D/3dmodel.model", data: "<model/>"}), ReasonNoGCode)
	for _, name := range []string{
		"plate_1.gcode", "Metadata/plate_1.gcode.md5", "Metadata/plate_1.json", "Metadata/x/plate_1.gcode",
		"Metadata/plate_1/a.gcode",
	} {
		check(t, buildZip(t, zipEntry{name: name, data: plateText}), ReasonNoGCode)
	}
}

func TestScanReturnsTheErrorsOfVisitAndOfItsStream(t *testing.T) {
	archive := buildZip(t, project()...)
	broken := errors.New("broken")
	_, err := Scan(bytes.NewReader(archive), 1<<20, func(string, io.Reader) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("visit failing: %v", err)
	}
	for n := range len(archive) {
		src := io.MultiReader(bytes.NewReader(archive[:n]), iotest.ErrReader(broken))
		if _, _, err := scan(src, 1<<20); !errors.Is(err, broken) {
			t.Fatalf("failing after %d bytes: %v", n, err)
		}
	}
}

func TestScanNoticesDamageThatVisitDidNotSee(t *testing.T) {
	e := zipEntry{name: "Metadata/plate_1.gcode", data: plateText, local: func(h *zipHeader) { h.crc++ }}
	for name, visit := range map[string]func(string, io.Reader) error{
		"reads nothing": func(string, io.Reader) error { return nil },
		"reads all":     func(_ string, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err },
	} {
		if _, err := Scan(bytes.NewReader(buildZip(t, e)), 1<<20, visit); reasonOf(err) != ReasonBad {
			t.Errorf("visit %s: %v", name, err)
		}
	}
	bomb := buildZip(t, zipEntry{name: "Metadata/plate_1.gcode", data: strings.Repeat("0", 8<<20), deflate: true})
	_, err := Scan(bytes.NewReader(bomb), 1<<30, func(_ string, r io.Reader) error {
		io.Copy(io.Discard, r) //nolint:errcheck // what this test is about
		return errors.New("something else")
	})
	if reasonOf(err) != ReasonInflateLimit {
		t.Errorf("visit takes a bomb for something else: %v", err)
	}
}

func TestEveryTruncationAndFlippedBitIsNoticed(t *testing.T) {
	archive := buildZip(t, project()...)
	_, texts, err := scan(bytes.NewReader(archive), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(archive) {
		if _, _, err := scan(bytes.NewReader(archive[:n]), 1<<20); reasonOf(err) != ReasonBad {
			t.Fatalf("cut at byte %d of %d: %v", n, len(archive), err)
		}
	}
	for bit := range len(archive) * 8 {
		bad := bytes.Clone(archive)
		bad[bit/8] ^= 1 << (bit % 8)
		_, got, err := scan(bytes.NewReader(bad), 1<<20)
		if err == nil && got != texts {
			t.Fatalf("bit %d of byte %d changed the text unnoticed", bit%8, bit/8)
		}
		if err != nil && reasonOf(err) == "" {
			t.Fatalf("bit %d of byte %d: an error without a reason: %v", bit%8, bit/8, err)
		}
	}
}
