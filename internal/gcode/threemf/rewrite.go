package threemf

import (
	"archive/zip"
	"crypto/md5" //nolint:gosec // the format's checksum, not a protection
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Result is what was found in an archive.
type Result struct {
	Plates   int
	Warnings []string
}

// Transform rewrites the text of a plate, which is named by its entry.
type Transform func(plate string, in io.Reader, out io.Writer) error

// Rewrite copies the archive of size bytes in r to w and replaces the G-code of each plate by what transform makes of
// it. Transform is called once for each plate, in the order of the archive; what it does not read is checked and
// dropped.
//
// The MD5 beside a plate, if there is one, becomes the new text's and comes right behind it. All other entries are
// copied as they are stored, byte for byte. Memory does not depend on the size of the archive.
//
// On any error, what was written to w is to be thrown away. An error in the archive is an *Error, even where transform
// swallowed it.
func Rewrite(r io.ReaderAt, size int64, w io.Writer, transform Transform) (Result, error) {
	archive, err := open(r, size)
	if err != nil {
		return Result{}, err
	}
	rw := rewriter{zip: zip.NewWriter(w), transform: transform, left: DefaultMaxText, plates: map[string]*plate{}}
	for _, f := range archive.File {
		if isPlate(f.Name) {
			rw.plates[f.Name] = &plate{text: f}
		}
	}
	for _, f := range archive.File {
		if name, ok := plateOfMD5(f.Name); ok && rw.plates[name] != nil {
			rw.plates[name].md5 = f
		}
	}
	if len(rw.plates) == 0 {
		return Result{}, noGCode()
	}
	for _, f := range archive.File {
		if err := rw.entry(f); err != nil {
			return Result{}, err
		}
	}
	if err := rw.finish(archive.Comment); err != nil {
		return Result{}, err
	}
	result := Result{Plates: len(rw.plates)}
	if rw.mismatch {
		result.Warnings = append(result.Warnings, WarnMD5Mismatch)
	}
	if result.Plates > 1 {
		result.Warnings = append(result.Warnings, WarnManyPlates)
	}
	return result, nil
}

type rewriter struct {
	zip       *zip.Writer
	transform Transform
	left      int64 // bytes that plates may still inflate to
	plates    map[string]*plate
	mismatch  bool
}

type plate struct{ text, md5 *zip.File }

func (rw *rewriter) entry(f *zip.File) error {
	if p := rw.plates[f.Name]; p != nil {
		return rw.plate(p)
	}
	if name, ok := plateOfMD5(f.Name); ok && rw.plates[name] != nil {
		return nil // written with its plate
	}
	if isFolder(f.Name) { // Copy would announce a record behind its data, but not write it
		_, err := rw.create(f)
		return err
	}
	if err := rw.zip.Copy(f); err != nil {
		return entryError(f, "copy it", err)
	}
	return nil
}

// plate writes a plate and its MD5.
func (rw *rewriter) plate(p *plate) error {
	oldSum, newSum := md5.New(), md5.New() //nolint:gosec // the format's
	if err := rw.text(p.text, oldSum, newSum); err != nil {
		return err
	}
	if p.md5 == nil {
		return nil
	}
	stated, err := readMD5(p.md5)
	if err != nil {
		return err
	}
	if !strings.EqualFold(stated, hexSum(oldSum)) {
		rw.mismatch = true
	}
	out, err := rw.create(p.md5)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, hexSum(newSum)); err != nil {
		return entryError(p.md5, "write it", err)
	}
	return nil
}

func (rw *rewriter) text(f *zip.File, oldSum, newSum hash.Hash) error {
	stored, err := f.Open()
	if err != nil {
		return entryError(f, "open it", err)
	}
	defer stored.Close()
	in := &guard{src: stored, entry: f.Name, left: &rw.left, stored: func() int64 { return int64(f.CompressedSize64) }}
	out, err := rw.create(f)
	if err != nil {
		return err
	}
	text := io.TeeReader(in, oldSum)
	err = rw.transform(f.Name, text, io.MultiWriter(out, newSum))
	if in.err != nil {
		return in.err
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, text)
	return err
}

// create begins an entry in place of f. Its sizes come behind its data, because nobody knows them yet.
func (rw *rewriter) create(f *zip.File) (io.Writer, error) {
	header := &zip.FileHeader{
		Name: f.Name, Comment: f.Comment, NonUTF8: f.NonUTF8, CreatorVersion: f.CreatorVersion,
		ExternalAttrs: f.ExternalAttrs, Method: f.Method, ModifiedDate: f.ModifiedDate, ModifiedTime: f.ModifiedTime,
	}
	out, err := rw.zip.CreateHeader(header)
	if err != nil {
		return nil, entryError(f, "write it", err)
	}
	return out, nil
}

func (rw *rewriter) finish(comment string) error {
	err := errors.Join(rw.zip.SetComment(comment), rw.zip.Close())
	if err != nil {
		return fmt.Errorf("write .gcode.3mf: %w", err)
	}
	return nil
}

func readMD5(f *zip.File) (string, error) {
	stored, err := f.Open()
	if err != nil {
		return "", entryError(f, "open it", err)
	}
	defer stored.Close()
	sum, err := io.ReadAll(io.LimitReader(stored, maxMD5))
	if err != nil {
		return "", entryError(f, "read it", err)
	}
	return strings.TrimSpace(string(sum)), nil
}

// maxMD5 is more than an MD5 in hexadecimal with a line end and a file name behind it takes.
const maxMD5 = 1024

func hexSum(h hash.Hash) string { return fmt.Sprintf("%X", h.Sum(nil)) }

// entryError makes an Error of what the zip package found wrong with an entry; reading and writing errors stay what
// they are.
func entryError(f *zip.File, doing string, err error) error {
	if isZipError(err) {
		return &Error{reason: ReasonBad, entry: f.Name, detail: "cannot " + doing, err: err}
	}
	return fmt.Errorf(".gcode.3mf: entry %q: %s: %w", f.Name, doing, err)
}
