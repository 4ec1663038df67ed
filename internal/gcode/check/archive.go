package check

import (
	"archive/zip"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// Sized is a file of known size, such as a *bytes.Reader or an *io.SectionReader.
type Sized interface {
	io.ReaderAt
	Size() int64
}

// Archive compares two .gcode.3mf files: each plate as a print, the MD5 beside it with its text, all other entries byte
// for byte as they are stored. The error is one of reading the input.
func Archive(in, out Sized, opt Options) (*Report, error) {
	a, err := zip.NewReader(in, in.Size())
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	report := newReport()
	b, err := zip.NewReader(out, out.Size())
	if err != nil {
		report.add("I27", 0, 0, "the output is no ZIP archive: %v", err)
		return report, nil
	}
	entries := map[string]*zip.File{}
	for _, f := range b.File {
		entries[f.Name] = f
	}
	for _, f := range a.File {
		report.checked("I27", 1)
		g := entries[f.Name]
		delete(entries, f.Name)
		switch {
		case g == nil:
			report.add("I27", 0, 0, "entry %q is missing", f.Name)
		case isPlate(f.Name):
			if err := comparePlate(report, f, g, opt); err != nil {
				return nil, err
			}
		case strings.HasSuffix(f.Name, ".gcode.md5"):
			if err := checkMD5(report, b, g); err != nil {
				return nil, err
			}
		default:
			if err := compareEntry(report, f, g); err != nil {
				return nil, err
			}
		}
	}
	for name := range entries {
		report.add("I27", 0, 0, "entry %q is not in the input", name)
	}
	return report, nil
}

func isPlate(name string) bool {
	return strings.HasPrefix(name, "Metadata/plate_") && strings.HasSuffix(name, ".gcode")
}

func comparePlate(report *Report, a, b *zip.File, opt Options) error {
	in, err := a.Open()
	if err != nil {
		return fmt.Errorf("open %s of the input: %w", a.Name, err)
	}
	defer in.Close()
	out, err := b.Open()
	if err != nil {
		report.add("I27", 0, 0, "entry %q of the output: %v", b.Name, err)
		return nil
	}
	defer out.Close()
	plate, err := Compare(in, out, opt)
	if err != nil {
		return fmt.Errorf("compare %s: %w", a.Name, err)
	}
	report.merge(plate)
	return nil
}

// checkMD5 compares what is written beside a plate of the output with the plate's text.
func checkMD5(report *Report, b *zip.Reader, beside *zip.File) error {
	text, err := b.Open(strings.TrimSuffix(beside.Name, ".md5"))
	if err != nil {
		report.add("I27", 0, 0, "nothing belongs to %q: %v", beside.Name, err)
		return nil
	}
	defer text.Close()
	sum := md5.New()
	if _, err := io.Copy(sum, text); err != nil {
		return fmt.Errorf("read the text of %s: %w", beside.Name, err)
	}
	r, err := beside.Open()
	if err != nil {
		return fmt.Errorf("open %s: %w", beside.Name, err)
	}
	defer r.Close()
	got, err := io.ReadAll(io.LimitReader(r, 100))
	if err != nil {
		return fmt.Errorf("read %s: %w", beside.Name, err)
	}
	if want := strings.ToUpper(hex.EncodeToString(sum.Sum(nil))); string(bytes.TrimSpace(got)) != want {
		report.add("I27", 0, 0, "%q says %s, the plate has %s", beside.Name, got, want)
	}
	return nil
}

// compareEntry compares the stored bytes of an entry that has nothing to do with the print.
func compareEntry(report *Report, a, b *zip.File) error {
	in, err := a.OpenRaw()
	if err != nil {
		return fmt.Errorf("open %s of the input: %w", a.Name, err)
	}
	out, err := b.OpenRaw()
	if err != nil {
		report.add("I27", 0, 0, "entry %q of the output: %v", b.Name, err)
		return nil
	}
	same, err := sameBytes(in, out)
	if err != nil {
		return fmt.Errorf("compare %s: %w", a.Name, err)
	}
	if !same || a.Method != b.Method || a.CRC32 != b.CRC32 || a.UncompressedSize64 != b.UncompressedSize64 {
		report.add("I27", 0, 0, "entry %q is not what it was", a.Name)
	}
	return nil
}

func sameBytes(a, b io.Reader) (bool, error) {
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		for _, err := range []error{errA, errB} {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return errA == errB, nil
			}
			if err != nil {
				return false, err
			}
		}
	}
}

// merge adds what was found in a part of a container.
func (r *Report) merge(part *Report) {
	for i := range r.Results {
		to, from := &r.Results[i], &part.Results[i]
		to.Checked += from.Checked
		to.Violations += from.Violations
		if from.Measured != "" {
			to.Measured = strings.TrimPrefix(to.Measured+"; "+from.Measured, "; ")
		}
		room := max(0, maxExamples-len(to.Examples))
		to.Examples = append(to.Examples, from.Examples[:min(room, len(from.Examples))]...)
	}
}
