package bgcode

import (
	"bufio"
	"compress/zlib"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode/heatshrink"
)

// decompressor keeps what decompressing one block after the other can use again.
type decompressor struct {
	input      *bufio.Reader // between the block and zlib, which would otherwise make a buffer of its own
	inflater   io.ReadCloser
	heatshrink map[Compression]*heatshrink.Reader
}

var heatshrinkConfigs = map[Compression]heatshrink.Config{
	Heatshrink11x4: heatshrink.Config11x4,
	Heatshrink12x4: heatshrink.Config12x4,
}

// open returns a reader of what data decompresses to.
func (d *decompressor) open(compression Compression, data io.Reader) (io.Reader, error) {
	switch compression {
	case Uncompressed:
		return data, nil
	case Deflate:
		return d.openZlib(data)
	}
	if d.heatshrink == nil {
		d.heatshrink = map[Compression]*heatshrink.Reader{}
	}
	reader := d.heatshrink[compression]
	if reader == nil {
		reader = heatshrink.NewReader(data, heatshrinkConfigs[compression])
		d.heatshrink[compression] = reader
	}
	reader.Reset(data)
	return reader, nil
}

func (d *decompressor) openZlib(data io.Reader) (io.Reader, error) {
	if d.inflater == nil {
		d.input = bufio.NewReader(data)
		inflater, err := zlib.NewReader(d.input)
		d.inflater = inflater
		return inflater, err
	}
	d.input.Reset(data)
	return d.inflater, d.inflater.(zlib.Resetter).Reset(d.input, nil)
}

// unused returns how many bytes were read from the data but are no part of the compressed stream.
func (d *decompressor) unused() int64 {
	if d.input == nil {
		return 0
	}
	return int64(d.input.Buffered())
}
