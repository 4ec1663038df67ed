// Package bgcode reads and rewrites binary G-code, version 1, in one pass and in bounded memory.
//
// A file is the header "GCDE", a version and a checksum type, then blocks: metadata and thumbnails first, then the
// G-code, cut into blocks of some 64 KB of text each. A block is its header (type, compression, size, and the stored
// size if compressed), its parameters, its data, and a CRC-32 of all that. Numbers are little-endian. A line of G-code
// may begin in one block and end in the next.
package bgcode

import "fmt"

const (
	magic           = "GCDE"
	fileHeaderSize  = 10
	maxVersion      = 1
	checksumNone    = 0
	checksumCRC32   = 1
	maxHeaderSize   = 12
	maxParamsSize   = 6 // of a thumbnail: format, width, height; two bytes of encoding in any other block
	metadataKeyINI  = 0 // the only encoding of metadata: key=value lines
	uncompressedHdr = 8
)

// BlockType says what a block holds.
type BlockType uint16

// The block types of version 1, with the format's numbers.
const (
	FileMetadata BlockType = iota
	GCode
	SlicerMetadata
	PrinterMetadata
	PrintMetadata
	Thumbnail
)

var blockNames = [...]string{
	"file metadata", "G-code", "slicer metadata", "printer metadata", "print metadata", "thumbnail",
}

func (t BlockType) String() string {
	if int(t) < len(blockNames) {
		return blockNames[t]
	}
	return fmt.Sprintf("unknown type %d", uint16(t))
}

// Compression is how the data of a block is stored.
type Compression uint16

// The compressions of version 1, with the format's numbers.
const (
	Uncompressed Compression = iota
	Deflate                  // in a zlib wrapper
	Heatshrink11x4
	Heatshrink12x4
)

// Encoding is how the data of a G-code block, once decompressed, holds text.
type Encoding uint16

// The encodings of version 1, with the format's numbers. See package meatpack on what the last two share.
const (
	Plain Encoding = iota
	MeatPack
	MeatPackComments
)

// Block is a block's header.
type Block struct {
	Index       int   // counts from 0 in file order
	Offset      int64 // of its first byte in the file
	Type        BlockType
	Compression Compression
	Encoding    Encoding // zero in a thumbnail
	Size        uint32   // bytes once decompressed
	Stored      uint32   // bytes of data in the file
}

// KeyValue is one line of a metadata block.
type KeyValue struct {
	Block      BlockType
	Key, Value string
}
