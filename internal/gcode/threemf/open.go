package threemf

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	sigLocal      = "PK\x03\x04"
	sigDescriptor = "PK\x07\x08"
	sigCentral    = "PK\x01\x02"
	sigEnd64      = "PK\x06\x06"
	sigLocator64  = "PK\x06\x07"
	sigEnd        = "PK\x05\x06"

	localSize     = 30
	centralSize   = 46
	end64Size     = 56
	locator64Size = 20
	endSize       = 22

	// maxDirectory is the most a central directory of maxEntries entries takes, with names and extra fields of a
	// kilobyte each. The zip package reads the directory without a limit of its own.
	maxDirectory = maxEntries * (centralSize + 1024)
)

// open reads the central directory and refuses what its entries' headers already give away.
func open(r io.ReaderAt, size int64) (*zip.Reader, error) {
	if err := checkEnd(r, size); err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(r, size)
	if err != nil && isZipError(err) {
		return nil, &Error{reason: ReasonBad, detail: "the central directory is damaged", err: err}
	} else if err != nil {
		return nil, fmt.Errorf("read .gcode.3mf: %w", err)
	}
	seen := map[string]bool{}
	var stored uint64
	for _, f := range archive.File {
		if err := checkEntry(f.Name, f.Flags, f.Method, seen); err != nil {
			return nil, err
		}
		if isFolder(f.Name) && f.UncompressedSize64 > 0 {
			return nil, folderWithData(f.Name)
		}
		// Entries that share their bytes would be copied once for each.
		if stored += f.CompressedSize64; stored > uint64(size) || f.CompressedSize64 > uint64(size) {
			return nil, &Error{reason: ReasonBad, entry: f.Name, detail: "the entries are larger than the archive"}
		}
	}
	return archive, nil
}

// checkEnd looks at the end of the archive for what the zip package does not limit.
func checkEnd(r io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, end64Size+locator64Size+endSize+1<<16))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read .gcode.3mf: %w", err)
	}
	at := bytes.LastIndex(tail, []byte(sigEnd))
	if at < 0 || len(tail)-at < endSize {
		return &Error{reason: ReasonBad, detail: "the end of the archive is missing: upload it again"}
	}
	end := parseEnd(tail[at:])
	directoryEnd := size - int64(len(tail)-at)
	if at >= end64Size+locator64Size && bytes.HasPrefix(tail[at-locator64Size:], []byte(sigLocator64)) {
		at -= end64Size + locator64Size
		directoryEnd -= end64Size + locator64Size
		if err := end.widen(tail[at:], directoryEnd); err != nil {
			return err
		}
	}
	return end.check(directoryEnd)
}

// endRecord is the end of the central directory.
type endRecord struct {
	entries      int64
	size, offset int64 // of the central directory
	comment      int   // bytes
}

func parseEnd(b []byte) endRecord {
	return endRecord{
		entries: int64(binary.LittleEndian.Uint16(b[10:])),
		size:    int64(binary.LittleEndian.Uint32(b[12:])),
		offset:  int64(binary.LittleEndian.Uint32(b[16:])),
		comment: int(binary.LittleEndian.Uint16(b[20:])),
	}
}

// widen takes the wide record, with its locator, that some slicers put before the other one, needed or not. Both must
// say the same, and the locator that the wide one is at byte offset.
func (e *endRecord) widen(b []byte, offset int64) error {
	const bodySize = end64Size - 12 // what follows its own size field
	locator := b[end64Size:]
	wide := endRecord{
		entries: int64(binary.LittleEndian.Uint64(b[32:])),
		size:    int64(binary.LittleEndian.Uint64(b[40:])),
		offset:  int64(binary.LittleEndian.Uint64(b[48:])),
		comment: e.comment,
	}
	same := bytes.HasPrefix(b, []byte(sigEnd64)) && binary.LittleEndian.Uint64(b[4:]) == bodySize &&
		bytes.HasPrefix(locator, []byte(sigLocator64)) && int64(binary.LittleEndian.Uint64(locator[8:])) == offset &&
		(e.entries == wide.entries || e.entries == math.MaxUint16) &&
		(e.size == wide.size || e.size == math.MaxUint32) &&
		(e.offset == wide.offset || e.offset == math.MaxUint32)
	if !same {
		return &Error{reason: ReasonBad, detail: "the records at the end of the archive contradict each other"}
	}
	*e = wide
	return nil
}

// check compares the record with where the directory ends.
func (e *endRecord) check(directoryEnd int64) error {
	switch {
	case e.entries > maxEntries || e.size > maxDirectory:
		return &Error{reason: ReasonBad, detail: fmt.Sprintf("more than %d entries", maxEntries)}
	case e.offset < 0 || e.size < 0 || e.offset+e.size != directoryEnd:
		return &Error{reason: ReasonBad, detail: "the central directory is not where the end of the archive says"}
	}
	return nil
}
