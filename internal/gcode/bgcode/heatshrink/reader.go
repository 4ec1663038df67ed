package heatshrink

import (
	"encoding/binary"
	"io"
)

// Reader decompresses a stream; it allocates nothing after NewReader.
type Reader struct {
	cfg Config
	src io.Reader
	err error // what src said last

	in   []byte // read from src, not yet in bits
	buf  []byte
	bits uint64 // the next count bits of the stream, left-aligned
	n    uint

	out  []byte // the window's history, then what is decoded
	r, w int    // out[r:w] is decoded and not yet read
}

const (
	inputSize  = 8 << 10
	outputSize = 32 << 10 // decoded between two moves of the window to the front of the buffer
)

// NewReader returns a Reader of the stream in src.
func NewReader(src io.Reader, cfg Config) *Reader {
	r := &Reader{cfg: cfg, buf: make([]byte, inputSize), out: make([]byte, 1<<cfg.window+outputSize)}
	r.Reset(src)
	return r
}

// Reset makes the Reader start a new stream.
func (d *Reader) Reset(src io.Reader) {
	window := 1 << d.cfg.window
	clear(d.out[:window])
	d.src, d.err, d.in, d.bits, d.n, d.r, d.w = src, nil, nil, 0, 0, window, window
}

// Read returns io.EOF when src ended behind a whole token, ErrTruncated when it ended inside one, and otherwise what
// src returned.
func (d *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for d.r == d.w {
		if d.err != nil {
			return 0, d.end()
		}
		d.slide()
		d.fill()
		d.decode()
	}
	n := copy(p, d.out[d.r:d.w])
	d.r += n
	return n, nil
}

// slide moves the history to the front; everything decoded has been read.
func (d *Reader) slide() {
	window := 1 << d.cfg.window
	copy(d.out, d.out[d.w-window:d.w])
	d.r, d.w = window, window
}

func (d *Reader) fill() {
	if len(d.in) > 0 || d.err != nil {
		return
	}
	n, err := d.src.Read(d.buf)
	d.in, d.err = d.buf[:n], err
}

// end says how the stream ended, once src has: fewer than eight zero bits are the padding of the last byte.
func (d *Reader) end() error {
	if d.err == io.EOF && (d.n >= 8 || d.bits != 0) {
		return ErrTruncated
	}
	return d.err
}

// decode turns whole tokens into bytes until the input or the room for output runs out.
func (d *Reader) decode() {
	matchBits, distBits, lenBits := d.cfg.matchBits(), d.cfg.window, d.cfg.lookahead
	bits, n, w := d.bits, d.n, d.w
	limit := len(d.out) - 1<<lenBits
	for w <= limit {
		if n < matchBits {
			bits, n = d.refill(bits, n)
		}
		if n < literalBits {
			break
		}
		if bits>>63 == 1 {
			d.out[w] = byte(bits >> 55)
			w++
			bits <<= literalBits
			n -= literalBits
			continue
		}
		if n < matchBits {
			break
		}
		dist := int(bits<<1>>(64-distBits)) + 1
		length := int(bits<<(1+distBits)>>(64-lenBits)) + 1
		bits <<= matchBits
		n -= matchBits
		w = d.match(w, dist, length)
	}
	d.bits, d.n, d.w = bits, n, w
}

func (d *Reader) match(w, dist, length int) int {
	from := d.out[w-dist:]
	to := d.out[w : w+length]
	if dist >= length {
		copy(to, from)
		return w + length
	}
	for i := range to {
		to[i] = from[i]
	}
	return w + length
}

// refill appends input to the n bits on hand, as many bytes as fit.
func (d *Reader) refill(bits uint64, n uint) (uint64, uint) {
	if len(d.in) >= 8 {
		bytes := (64 - n) / 8
		word := binary.BigEndian.Uint64(d.in) >> (64 - 8*bytes) << (64 - 8*bytes)
		d.in = d.in[bytes:]
		return bits | word>>n, n + 8*bytes
	}
	for n <= 56 && len(d.in) > 0 {
		bits |= uint64(d.in[0]) << (56 - n)
		n += 8
		d.in = d.in[1:]
	}
	return bits, n
}
