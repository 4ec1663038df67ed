package bgcode

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode/heatshrink"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/meatpack"
)

// blockText is the most text in one block, as slicers write it.
const blockText = 64 << 10

// writer cuts text into blocks of G-code and writes them. Where it cuts depends on the text alone.
type writer struct {
	w        io.Writer
	block    Block // whose compression and encoding every block gets
	checksum uint16
	packer   meatpack.Encoder

	text     []byte // not yet written, less than blockText
	written  bool
	encoded  []byte
	stored   bytes.Buffer // header, parameters, data and checksum of a block
	shrinker *heatshrink.Encoder
	deflater *zlib.Writer
}

// newWriter makes blocks like the given one.
func newWriter(w io.Writer, like Block, checksum uint16, noSpaces bool) *writer {
	return &writer{
		w: w, block: like, checksum: checksum,
		packer: meatpack.Encoder{NoSpaces: noSpaces},
		text:   make([]byte, 0, blockText),
	}
}

func (w *writer) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := min(blockText-len(w.text), len(p))
		w.text = append(w.text, p[:n]...)
		p = p[n:]
		if len(w.text) < blockText {
			break
		}
		cut := lastCut(w.text)
		if err := w.writeBlock(w.text[:cut]); err != nil {
			return 0, err
		}
		w.text = w.text[:copy(w.text, w.text[cut:])]
	}
	return total, nil
}

// lastCut returns where to end a block: behind the last whole line, or anywhere if the line is longer than a block,
// but not behind a byte that MeatPack could take for the start of a command.
func lastCut(text []byte) int {
	if newline := bytes.LastIndexByte(text, '\n'); newline >= 0 {
		return newline + 1
	}
	if text[len(text)-1] == 0xFF {
		return len(text) - 1
	}
	return len(text)
}

// Close writes the last block. A file without any block of G-code is none, so there is always one.
func (w *writer) Close() error {
	if len(w.text) == 0 && w.written {
		return nil
	}
	return w.writeBlock(w.text)
}

func (w *writer) writeBlock(text []byte) error {
	data := text
	if w.block.Encoding != Plain {
		var err error
		if w.encoded, err = w.packer.Append(w.encoded[:0], text); err != nil {
			return fmt.Errorf("binary G-code cannot hold the text in encoding %d: %w", w.block.Encoding, err)
		}
		data = w.encoded
	}
	w.written = true
	if err := w.assemble(data); err != nil {
		return err
	}
	if _, err := w.w.Write(w.stored.Bytes()); err != nil {
		return fmt.Errorf("write binary G-code: %w", err)
	}
	return nil
}

// assemble fills w.stored.
func (w *writer) assemble(data []byte) error {
	var header [maxHeaderSize + 2]byte
	binary.LittleEndian.PutUint16(header[0:], uint16(GCode))
	binary.LittleEndian.PutUint16(header[2:], uint16(w.block.Compression))
	binary.LittleEndian.PutUint32(header[4:], uint32(len(data)))
	size := uncompressedHdr
	if w.block.Compression != Uncompressed {
		size = maxHeaderSize // the stored size follows when it is known
	}
	binary.LittleEndian.PutUint16(header[size:], uint16(w.block.Encoding))
	size += 2
	w.stored.Reset()
	w.stored.Write(header[:size])
	if err := w.compress(data); err != nil {
		return err
	}
	block := w.stored.Bytes()
	if w.block.Compression != Uncompressed {
		binary.LittleEndian.PutUint32(block[uncompressedHdr:], uint32(len(block)-size))
	}
	if w.checksum == checksumCRC32 {
		w.stored.Write(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(block)))
	}
	return nil
}

// compress appends data, compressed, to w.stored.
func (w *writer) compress(data []byte) error {
	switch w.block.Compression {
	case Uncompressed:
		w.stored.Write(data)
		return nil
	case Deflate:
		return w.deflate(data)
	}
	if w.shrinker == nil {
		w.shrinker = heatshrink.NewEncoder(heatshrinkConfigs[w.block.Compression])
	}
	w.stored.Grow(len(data) + len(data)/8 + 1)
	w.stored.Write(w.shrinker.Append(w.stored.AvailableBuffer(), data))
	return nil
}

func (w *writer) deflate(data []byte) error {
	if w.deflater == nil {
		w.deflater = zlib.NewWriter(&w.stored)
	} else {
		w.deflater.Reset(&w.stored)
	}
	if _, err := w.deflater.Write(data); err != nil {
		return fmt.Errorf("deflate a block: %w", err)
	}
	if err := w.deflater.Close(); err != nil {
		return fmt.Errorf("deflate a block: %w", err)
	}
	return nil
}
