// Package bgcodetest builds binary G-code files, sound and unsound ones, for tests.
package bgcodetest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/heatshrink"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/meatpack"
)

// Block is one block as it is written. Nothing in it is checked.
type Block struct {
	Type        bgcode.BlockType
	Compression bgcode.Compression
	Size        int    // as stated in the header
	Params      []byte // two bytes of encoding, or six of a thumbnail
	Data        []byte // as stored
}

// Compressed returns a block of data, which it compresses and states the size of.
func Compressed(typ bgcode.BlockType, compression bgcode.Compression, params, data []byte) Block {
	block := Block{Type: typ, Compression: compression, Size: len(data), Params: params, Data: data}
	switch compression {
	case bgcode.Deflate:
		var buf bytes.Buffer
		w := zlib.NewWriter(&buf)
		must(w.Write(data))
		must(0, w.Close())
		block.Data = buf.Bytes()
	case bgcode.Heatshrink11x4:
		block.Data = heatshrink.NewEncoder(heatshrink.Config11x4).Append(nil, data)
	case bgcode.Heatshrink12x4:
		block.Data = heatshrink.NewEncoder(heatshrink.Config12x4).Append(nil, data)
	}
	return block
}

// Metadata returns a block of key=value lines.
func Metadata(typ bgcode.BlockType, compression bgcode.Compression, lines string) Block {
	return Compressed(typ, compression, []byte{0, 0}, []byte(lines))
}

// Thumbnail returns a block of a picture of 16 by 16 in the format of that number.
func Thumbnail(format byte, picture []byte) Block {
	return Compressed(bgcode.Thumbnail, bgcode.Uncompressed, []byte{format, 0, 16, 0, 16, 0}, picture)
}

// Text returns blocks of at most size bytes of text each, cut anywhere.
func Text(compression bgcode.Compression, encoding bgcode.Encoding, size int, text string) []Block {
	var blocks []Block
	for first := true; first || text != ""; first = false {
		piece := text[:min(size, len(text))]
		text = text[len(piece):]
		data := []byte(piece)
		if encoding != bgcode.Plain {
			packed, err := (&meatpack.Encoder{NoSpaces: true}).Append(nil, data)
			must(0, err)
			data = packed
		}
		blocks = append(blocks, Compressed(bgcode.GCode, compression, []byte{byte(encoding), 0}, data))
	}
	return blocks
}

// Bytes returns the block with its checksum.
func (b Block) Bytes() []byte {
	raw := binary.LittleEndian.AppendUint16(nil, uint16(b.Type))
	raw = binary.LittleEndian.AppendUint16(raw, uint16(b.Compression))
	raw = binary.LittleEndian.AppendUint32(raw, uint32(b.Size))
	if b.Compression != bgcode.Uncompressed {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(b.Data)))
	}
	raw = append(append(raw, b.Params...), b.Data...)
	return binary.LittleEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
}

// Header returns a file header.
func Header(version uint32, checksum uint16) []byte {
	return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint32([]byte("GCDE"), version), checksum)
}

// File returns a file of these blocks: version 1, with checksums.
func File(blocks ...Block) []byte {
	file := Header(1, 1)
	for _, block := range blocks {
		file = append(file, block.Bytes()...)
	}
	return file
}

// Print returns a file as a slicer writes it: metadata, thumbnails, then text in blocks of at most size bytes.
func Print(compression bgcode.Compression, encoding bgcode.Encoding, size int, text string) []byte {
	return File(append(Preamble(), Text(compression, encoding, size, text)...)...)
}

// Preamble returns the blocks before the G-code of a Print.
func Preamble() []Block {
	return []Block{
		Metadata(bgcode.FileMetadata, bgcode.Uncompressed, "Producer=Slicer 1.0\n"),
		Metadata(bgcode.PrinterMetadata, bgcode.Uncompressed, "printer_model=X\nnozzle_diameter=0.4\n"),
		Thumbnail(0, []byte("\x89PNG and so on")),
		Thumbnail(2, []byte("qoif")),
		Metadata(bgcode.PrintMetadata, bgcode.Deflate, "filament used [mm]=12.5\n"),
		Metadata(bgcode.SlicerMetadata, bgcode.Deflate, "layer_height=0.2\nstart_gcode=M104 S200\\nG28 ; a=b\n"),
	}
}

func must(_ int, err error) {
	if err != nil {
		panic(fmt.Sprintf("bgcodetest: %v", err))
	}
}
