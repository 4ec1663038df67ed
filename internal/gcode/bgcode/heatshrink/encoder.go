package heatshrink

import "encoding/binary"

// Encoder compresses whole buffers. Its output is that of the format's reference encoder, byte for byte: at each
// position the longest match, of several the nearest, and a literal where a match would not be shorter. The zero value
// is not usable; an Encoder is for one goroutine at a time.
type Encoder struct {
	cfg  Config
	buf  []byte  // the zeros before the stream, then the stream
	head []int32 // by hash of three bytes: the nearest position that has it, plus one
	prev []int32 // by position modulo the window: the position before it with the same hash, plus one

	dst  []byte
	bits uint64 // the last n bits written, right-aligned, not yet in dst
	n    uint
}

const hashBits = 15

// NewEncoder returns an Encoder.
func NewEncoder(cfg Config) *Encoder {
	return &Encoder{
		cfg:  cfg,
		buf:  make([]byte, 1<<cfg.window),
		head: make([]int32, 1<<hashBits),
		prev: make([]int32, 1<<cfg.window),
	}
}

// Append compresses src as a stream of its own and appends it to dst.
func (e *Encoder) Append(dst, src []byte) []byte {
	window := 1 << e.cfg.window
	e.buf = append(e.buf[:window], src...)
	clear(e.head)
	e.dst, e.bits, e.n = dst, 0, 0
	for pos := range window {
		e.insert(pos)
	}
	for pos := window; pos < len(e.buf); {
		length, dist := e.longest(pos)
		if length < minMatch {
			e.write(1<<8|uint64(e.buf[pos]), literalBits)
			e.insert(pos)
			pos++
			continue
		}
		e.write(uint64(dist-1)<<e.cfg.lookahead|uint64(length-1), e.cfg.matchBits())
		for range length {
			e.insert(pos)
			pos++
		}
	}
	return e.flush()
}

// longest returns the length of the longest match for pos and its smallest distance.
func (e *Encoder) longest(pos int) (length, dist int) {
	limit := min(1<<e.cfg.lookahead, len(e.buf)-pos)
	if limit < minMatch {
		return 0, 0
	}
	want := e.buf[pos : pos+limit]
	first, mask := pos-1<<e.cfg.window, 1<<e.cfg.window-1
	for at := int(e.head[e.hash(pos)]) - 1; at >= first && at >= 0; at = int(e.prev[at&mask]) - 1 {
		have := e.buf[at : at+limit]
		if length > 0 && have[length] != want[length] {
			continue
		}
		n := 0
		for n < limit && have[n] == want[n] {
			n++
		}
		if n > length {
			length, dist = n, pos-at
			if n == limit {
				break
			}
		}
	}
	return length, dist
}

func (e *Encoder) hash(pos int) uint32 {
	b := e.buf[pos : pos+3]
	return (uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16) * 0x9E3779B1 >> (32 - hashBits)
}

func (e *Encoder) insert(pos int) {
	if pos+minMatch > len(e.buf) {
		return
	}
	h := e.hash(pos)
	e.prev[pos&(len(e.prev)-1)] = e.head[h]
	e.head[h] = int32(pos) + 1
}

func (e *Encoder) write(token uint64, size uint) {
	e.bits = e.bits<<size | token
	e.n += size
	if e.n >= 32 {
		e.n -= 32
		e.dst = binary.BigEndian.AppendUint32(e.dst, uint32(e.bits>>e.n))
	}
}

// flush writes the last bits, with zeros up to a whole byte.
func (e *Encoder) flush() []byte {
	for e.n >= 8 {
		e.n -= 8
		e.dst = append(e.dst, byte(e.bits>>e.n))
	}
	if e.n > 0 {
		e.dst = append(e.dst, byte(e.bits<<(8-e.n)))
	}
	dst := e.dst
	e.dst = nil
	return dst
}
