package threemf

import (
	"bytes"
	"compress/flate"
	"crypto/md5" //nolint:gosec // the format's checksum, not a protection
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// Scan checks an archive that passes by once, from front to back, and calls visit with the text of each plate.
//
// What a ZIP archive holds is stated at its end, in the central directory, and readers go by that; what passes by
// first are the entries with headers of their own. An archive is safe to take apart on the way only if both say the
// same. So Scan wants the entries back to back from the first byte, compares name, sizes, checksum and offset of each
// with the directory, and allows nothing else in between or behind. Slicers write just that. Nothing of what visit saw
// is certain before Scan returned without an error.
//
// An entry may state its sizes behind its data. The end of deflated data shows by itself; of data stored as it is, the
// end is where a record follows that states just the length and checksum seen.
//
// It refuses archives whose contents are larger than maxText, and uses some hundred kilobytes. It returns visit's
// error as it is; any other is an *Error, unless it is r's.
func Scan(r io.Reader, maxText int64, visit func(plate string, text io.Reader) error) (Result, error) {
	s := scanner{
		in: newInput(r), left: maxText, visit: visit, seen: map[string]bool{},
		sums: map[string]string{}, stated: map[string]string{},
	}
	for {
		switch sig, err := s.in.peek(len(sigLocal)); {
		case err != nil:
			return Result{}, err
		case string(sig) == sigLocal:
			if err := s.entry(); err != nil {
				return Result{}, err
			}
		case string(sig) == sigCentral || string(sig) == sigEnd:
			if err := s.directory(); err != nil {
				return Result{}, err
			}
			return s.result()
		case len(sig) < len(sigLocal):
			return Result{}, endsEarly()
		default:
			return Result{}, &Error{reason: ReasonBad,
				detail: fmt.Sprintf("no entry begins at byte %d, where one should", s.in.offset())}
		}
	}
}

type scanner struct {
	in      *input
	left    int64 // bytes that entries may still inflate to
	visit   func(plate string, text io.Reader) error
	entries []entry
	seen    map[string]bool
	sums    map[string]string // by plate: the MD5 of its text
	stated  map[string]string // by plate: what the archive says it is
}

func (s *scanner) result() (Result, error) {
	if len(s.sums) == 0 {
		return Result{}, noGCode()
	}
	result := Result{Plates: len(s.sums)}
	for plate, sum := range s.stated {
		if got, ok := s.sums[plate]; ok && !strings.EqualFold(sum, got) {
			result.Warnings = append(result.Warnings, WarnMD5Mismatch)
			break
		}
	}
	if result.Plates > 1 {
		result.Warnings = append(result.Warnings, WarnManyPlates)
	}
	return result, nil
}

// entry reads one entry, from its header to the record behind its data.
func (s *scanner) entry() error {
	e, err := s.localHeader()
	if err != nil {
		return err
	}
	if err := checkEntry(e.name, e.flags, e.method, s.seen); err != nil {
		return err
	}
	start := s.in.offset()
	sum := crc32.NewIEEE()
	content := &guard{
		src: s.open(e), entry: e.name, left: &s.left, stored: func() int64 { return s.in.offset() - start },
	}
	text := io.TeeReader(content, sum)
	err = s.read(e.name, text)
	if err == nil {
		_, err = io.Copy(io.Discard, text)
	}
	if content.err != nil { // it explains what visit made of it
		return content.err
	}
	if err != nil {
		return err
	}
	found := sizes{crc: sum.Sum32(), stored: s.in.offset() - start, size: content.size}
	if err := s.checkSizes(e, found); err != nil {
		return err
	}
	if isFolder(e.name) && found.size > 0 {
		return folderWithData(e.name)
	}
	e.sizes = found
	s.entries = append(s.entries, *e)
	return nil
}

// open returns a reader of the entry's data, inflated.
func (s *scanner) open(e *entry) io.Reader {
	switch {
	case e.method == methodDeflated:
		return flate.NewReader(s.in)
	case e.sizesBehind():
		return &storedReader{in: s.in}
	}
	return &exactReader{in: s.in, left: e.stored}
}

// read hands a plate to visit, remembers an MD5, and ignores other entries.
func (s *scanner) read(name string, text io.Reader) error {
	if plate, ok := plateOfMD5(name); ok {
		sum, err := io.ReadAll(io.LimitReader(text, maxMD5))
		s.stated[plate] = string(bytes.TrimSpace(sum))
		return err
	}
	if !isPlate(name) {
		return nil
	}
	sum := md5.New() //nolint:gosec // the format's
	text = io.TeeReader(text, sum)
	if err := s.visit(name, text); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, text); err != nil {
		return err
	}
	s.sums[name] = hexSum(sum)
	return nil
}

// checkSizes compares what was found with the entry's header or with the record behind the data, which it consumes.
func (s *scanner) checkSizes(e *entry, found sizes) error {
	if !e.sizesBehind() {
		if found != e.sizes {
			return &Error{reason: ReasonBad, entry: e.name, detail: "its data is not what its header says: upload it again"}
		}
		return nil
	}
	record, err := s.in.peek(maxDescriptor)
	if err != nil {
		return err
	}
	n := found.descriptor(record)
	if n == 0 {
		return &Error{reason: ReasonBad, entry: e.name, detail: "its data is not what the record behind it says"}
	}
	_, err = s.in.next(n)
	return err
}

// exactReader reads data of a known length.
type exactReader struct {
	in   *input
	left int64
}

func (r *exactReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.in.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// storedReader reads data up to the record that states its length and checksum.
type storedReader struct {
	in   *input
	size int64
	crc  uint32
}

func (r *storedReader) Read(p []byte) (int, error) {
	window, err := r.in.peek(maxDescriptor)
	if err != nil {
		return 0, err
	}
	found := sizes{crc: r.crc, stored: r.size, size: r.size}
	if bytes.HasPrefix(window, []byte(sigDescriptor)) && found.descriptor(window) > 0 {
		return 0, io.EOF
	}
	if len(window) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	window = r.in.buf[r.in.pos:r.in.end] // what can be had without reading more
	n := max(1, len(window)-len(sigDescriptor)+1)
	if next := bytes.Index(window[1:], []byte(sigDescriptor)); next >= 0 {
		n = 1 + next
	}
	n = copy(p, window[:n])
	r.in.pos += n
	r.size += int64(n)
	r.crc = crc32.Update(r.crc, crc32.IEEETable, p[:n])
	return n, nil
}
