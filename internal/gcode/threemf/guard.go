package threemf

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
)

// guard reads what an entry inflates to and refuses bombs and damage. Its error stays.
type guard struct {
	src    io.Reader
	entry  string
	left   *int64       // bytes that this entry and the next ones may still inflate to
	stored func() int64 // bytes read of the entry as it is stored, or all of them
	size   int64        // bytes read
	err    error
}

func (g *guard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.src.Read(p)
	g.size += int64(n)
	*g.left -= int64(n)
	switch {
	case *g.left < 0:
		g.err = &Error{reason: ReasonInflateLimit, entry: g.entry, detail: "the archive inflates to more than the limit"}
	case g.size > ratioFree && g.size/maxRatio > g.stored():
		g.err = &Error{reason: ReasonInflateLimit, entry: g.entry,
			detail: fmt.Sprintf("it inflates to more than %d times its size", maxRatio)}
	case err == io.EOF:
		return n, err
	case isZipError(err):
		g.err = &Error{reason: ReasonBad, entry: g.entry, detail: "it is damaged", err: err}
	case err != nil:
		g.err = fmt.Errorf(".gcode.3mf: entry %q: %w", g.entry, err)
	}
	return n, g.err
}

// isZipError tells what is wrong with an archive from what is wrong with reading it.
func isZipError(err error) bool {
	var corrupt flate.CorruptInputError
	for _, known := range []error{zip.ErrFormat, zip.ErrChecksum, zip.ErrAlgorithm, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, &corrupt)
}
