package bgcode

import (
	"errors"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode/meatpack"
)

// DefaultMaxText is a limit on the text of a file that no real print comes near.
const DefaultMaxText = 4 << 30

// maxMetadata is how many bytes of metadata are kept in memory; real files have some tens of kilobytes.
const maxMetadata = 4 << 20

const chunkSize = 32 << 10

// Reader reads the text of all G-code blocks of a file, one after the other. It reads each block once, checks its
// checksum and sizes, and uses some hundred kilobytes whatever the file says.
type Reader struct {
	blocks       *blocks
	metadata     []KeyValue
	metadataSize int64 // bytes
	maxText      int64
	declared     int64 // bytes that the blocks so far said they hold

	block  Block // the G-code block being read
	inside bool
	decompressor
	body   io.Reader
	left   int64 // bytes of the block that are still to be decompressed
	unpack meatpack.Decoder
	chunk  []byte // decompressed
	text   []byte // decoded
	pos    int    // text[pos:] is still to be read
	total  int64  // bytes decoded
	err    error
}

// NewReader reads the file header and everything before the G-code. Text beyond maxText bytes, and a block whose
// sizes go beyond it, is refused. Every error but those of r is an *Error.
func NewReader(r io.Reader, maxText int64) (*Reader, error) { return newReader(r, nil, maxText) }

func newReader(r io.Reader, copyTo io.Writer, maxText int64) (*Reader, error) {
	b, err := newBlocks(r, copyTo)
	if err != nil {
		return nil, err
	}
	reader := &Reader{blocks: b, maxText: maxText, chunk: make([]byte, chunkSize)}
	for !reader.inside {
		if err := reader.nextBlock(); err == io.EOF {
			return nil, b.fail(ReasonNoGCode, nil, "the file ends without a block of G-code")
		} else if err != nil {
			return nil, err
		}
	}
	return reader, nil
}

// Metadata returns all key=value lines of the metadata blocks, in file order.
func (r *Reader) Metadata() []KeyValue { return r.metadata }

// Block returns the header of the G-code block that was read last.
func (r *Reader) Block() Block { return r.block }

// Read reads text. Its io.EOF says that every block was there and undamaged.
func (r *Reader) Read(p []byte) (int, error) {
	for r.pos == len(r.text) {
		if r.err != nil {
			return 0, r.err
		}
		r.text, r.pos = r.text[:0], 0
		r.err = r.fill()
	}
	n := copy(p, r.text[r.pos:])
	r.pos += n
	return n, nil
}

// fill decodes some text, or goes to the next block.
func (r *Reader) fill() error {
	if !r.inside {
		return r.nextBlock()
	}
	if r.left == 0 {
		r.inside = false
		return r.checkEnd()
	}
	n, err := r.body.Read(r.chunk[:min(chunkSize, r.left)])
	r.left -= int64(n)
	if err := r.decode(r.chunk[:n]); err != nil {
		return err
	}
	if err == io.EOF && r.left > 0 {
		return r.damaged(nil, "its data ends %d bytes short of the size it states", r.left)
	}
	if err != nil && err != io.EOF {
		return r.damaged(err, "cannot decompress its data")
	}
	return nil
}

func (r *Reader) decode(data []byte) error {
	if r.block.Encoding == Plain {
		r.text = append(r.text, data...)
	} else {
		var err error
		if r.text, err = r.unpack.Append(r.text, data); err != nil {
			return r.damaged(err, "cannot unpack its text")
		}
	}
	r.total += int64(len(r.text))
	if r.total > r.maxText {
		return r.tooMuch()
	}
	return nil
}

// checkEnd makes sure that the block holds no more than it said.
func (r *Reader) checkEnd() error {
	if r.block.Encoding != Plain {
		if err := r.unpack.End(); err != nil {
			return r.damaged(err, "cannot unpack its text")
		}
	}
	switch n, err := r.body.Read(r.chunk[:1]); {
	case n > 0:
		return r.damaged(nil, "its data is longer than the size it states")
	case err != io.EOF:
		return r.damaged(err, "cannot decompress its data")
	}
	return r.finishBlock()
}

// finishBlock makes sure that all stored data was used; the decompressor may have stopped before its end.
func (r *Reader) finishBlock() error {
	unused := r.unused() + r.blocks.left
	if unused > 0 {
		return r.damaged(nil, "%d bytes follow the end of its compressed data", unused)
	}
	return r.blocks.skip()
}

// damaged reports an undecodable block, as such or, if its checksum is wrong or the file ends, as that.
func (r *Reader) damaged(err error, format string, args ...any) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if err := r.blocks.skip(); err != nil {
		return err
	}
	return r.blocks.fail(ReasonCodec, err, format, args...)
}

func (r *Reader) tooMuch() error {
	return r.blocks.fail(ReasonInflateLimit, nil, "the file holds more than the allowed %d bytes", r.maxText)
}

// nextBlock opens the next block if it is G-code and reads it if it is metadata.
func (r *Reader) nextBlock() error {
	block, err := r.blocks.next()
	if err != nil {
		return err
	}
	r.declared += int64(block.Size)
	if r.declared > r.maxText {
		return r.tooMuch()
	}
	switch block.Type {
	case Thumbnail:
		return nil
	case GCode:
		r.block, r.inside = block, true
		r.unpack.Reset()
	}
	r.left = int64(block.Size)
	r.body, err = r.open(block.Compression, r.blocks)
	if err != nil {
		return r.damaged(err, "cannot decompress its data")
	}
	if block.Type != GCode {
		return r.readMetadata(block)
	}
	return nil
}
