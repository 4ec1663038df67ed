package bgcode

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// blocks walks through the blocks of a file and hands out their stored data, checked.
type blocks struct {
	src      *bufio.Reader
	offset   int64 // of the next unread byte
	checksum uint16
	header   [fileHeaderSize]byte // of the file

	// Where everything but G-code blocks is copied to as it is read, if not nil.
	copyTo io.Writer

	scratch  [maxHeaderSize + maxParamsSize]byte // for a block's header or checksum
	block    Block
	index    int // of the next block
	left     int64
	sum      uint32 // CRC-32 of the block so far
	verified bool
	gcode    bool // a G-code block was seen
}

const readSize = 64 << 10

func newBlocks(r io.Reader, copyTo io.Writer) (*blocks, error) {
	b := &blocks{src: bufio.NewReaderSize(r, readSize), copyTo: copyTo, verified: true, block: Block{Index: -1}}
	if err := b.readFull(b.header[:]); err != nil {
		return nil, err
	}
	version := binary.LittleEndian.Uint32(b.header[4:])
	b.checksum = binary.LittleEndian.Uint16(b.header[8:])
	switch {
	case string(b.header[:4]) != magic:
		return nil, b.fail(ReasonBlock, nil, "it does not begin with %q: this is no binary G-code", magic)
	case version > maxVersion:
		return nil, b.fail(ReasonVersion, nil, "version %d is newer than this program knows (%d)", version, maxVersion)
	case b.checksum > checksumCRC32:
		return nil, b.fail(ReasonVersion, nil, "checksum type %d is unknown", b.checksum)
	}
	return b, b.copy(b.header[:])
}

// next goes to the next block; io.EOF says that the last one was the last. What was left of the block before it is
// read and checked first.
func (b *blocks) next() (Block, error) {
	if err := b.skip(); err != nil {
		return Block{}, err
	}
	if _, err := b.src.Peek(1); err == io.EOF {
		return Block{}, io.EOF
	}
	b.block = Block{Index: b.index, Offset: b.offset}
	b.index++
	raw, err := b.readHeader(b.scratch[:])
	if err != nil {
		return Block{}, err
	}
	b.sum = crc32.ChecksumIEEE(raw)
	b.left, b.verified = int64(b.block.Stored), false
	if b.block.Type == GCode {
		b.gcode = true
		return b.block, nil
	}
	if b.gcode {
		return Block{}, b.fail(ReasonBlock, nil, "%s after G-code, where the format allows only more G-code", b.block.Type)
	}
	return b.block, b.copy(raw)
}

// readHeader fills in b.block and returns the bytes it read, header and parameters.
func (b *blocks) readHeader(buf []byte) ([]byte, error) {
	size := uncompressedHdr
	if err := b.readFull(buf[:size]); err != nil {
		return nil, err
	}
	block := &b.block
	block.Type = BlockType(binary.LittleEndian.Uint16(buf))
	block.Compression = Compression(binary.LittleEndian.Uint16(buf[2:]))
	block.Size = binary.LittleEndian.Uint32(buf[4:])
	block.Stored = block.Size
	switch {
	case block.Type > Thumbnail:
		return nil, b.fail(ReasonBlock, nil, "block of %s", block.Type)
	case block.Compression > Heatshrink12x4:
		return nil, b.fail(ReasonCodec, nil, "compression %d is unknown", block.Compression)
	case block.Compression != Uncompressed:
		if err := b.readFull(buf[size:maxHeaderSize]); err != nil {
			return nil, err
		}
		block.Stored = binary.LittleEndian.Uint32(buf[size:])
		size = maxHeaderSize
	}
	params := 2
	if block.Type == Thumbnail {
		params = maxParamsSize
	}
	if err := b.readFull(buf[size : size+params]); err != nil {
		return nil, err
	}
	if block.Type != Thumbnail {
		block.Encoding = Encoding(binary.LittleEndian.Uint16(buf[size:]))
	}
	known := block.Type == Thumbnail || block.Encoding == metadataKeyINI ||
		block.Type == GCode && block.Encoding <= MeatPackComments
	if !known {
		return nil, b.fail(ReasonCodec, nil, "encoding %d of %s is unknown", block.Encoding, block.Type)
	}
	return buf[:size+params], nil
}

// Read reads the stored data of the block. Its io.EOF says that the checksum is right.
func (b *blocks) Read(p []byte) (int, error) {
	if b.left == 0 {
		if err := b.verify(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n, err := b.src.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.offset += int64(n)
	b.sum = crc32.Update(b.sum, crc32.IEEETable, p[:n])
	if err != nil {
		return n, b.readFailed(err)
	}
	if b.block.Type != GCode {
		err = b.copy(p[:n])
	}
	return n, err
}

// verify reads the checksum behind the data and compares it, once.
func (b *blocks) verify() error {
	if b.verified || b.checksum == checksumNone {
		return nil
	}
	b.verified = true
	raw := b.scratch[:4]
	if err := b.readFull(raw); err != nil {
		return err
	}
	if want := binary.LittleEndian.Uint32(raw); want != b.sum {
		return b.fail(ReasonChecksum, nil, "%s is damaged: its checksum is %08x but should be %08x",
			b.block.Type, b.sum, want)
	}
	if b.block.Type == GCode {
		return nil
	}
	return b.copy(raw)
}

// skip reads the rest of the block, checksum included.
func (b *blocks) skip() error {
	if b.left == 0 {
		return b.verify()
	}
	_, err := io.Copy(io.Discard, b)
	return err
}

func (b *blocks) copy(p []byte) error {
	if b.copyTo == nil {
		return nil
	}
	if _, err := b.copyTo.Write(p); err != nil {
		return fmt.Errorf("write binary G-code: %w", err)
	}
	return nil
}

func (b *blocks) readFull(p []byte) error {
	n, err := io.ReadFull(b.src, p)
	b.offset += int64(n)
	if err != nil {
		return b.readFailed(err)
	}
	return nil
}

// readFailed turns an end of the file, which is never expected where this is called, into an Error.
func (b *blocks) readFailed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return b.fail(ReasonTruncated, nil, "the file ends at byte %d, before the end of the block: upload it again",
			b.offset)
	}
	return fmt.Errorf("read binary G-code: %w", err)
}

func (b *blocks) fail(reason string, err error, format string, args ...any) *Error {
	return &Error{reason, b.block.Index, b.block.Offset, fmt.Sprintf(format, args...), err}
}
