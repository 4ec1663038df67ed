// Package heatshrink reads and writes heatshrink streams: LZSS with single-bit tags, most significant bit first.
//
// A stream is a sequence of tokens. Tag 1 is followed by eight bits, a literal byte. Tag 0 is followed by the distance
// minus one (window bits) and the length minus one (lookahead bits). The history before the first byte is zeros, and
// a distance may reach into it. Zero bits fill the last byte. A stream does not say where it ends or how it was
// configured: both are the container's to know.
package heatshrink

import "errors"

// Config is the pair of parameters that writer and reader must agree on: one of the two that binary G-code knows.
type Config struct {
	window    uint // bits of a distance: matches reach back 1<<window bytes
	lookahead uint // bits of a length: matches are up to 1<<lookahead bytes long
}

// The configurations that binary G-code knows, named as its specification names them.
var (
	Config11x4 = Config{window: 11, lookahead: 4}
	Config12x4 = Config{window: 12, lookahead: 4}
)

// ErrTruncated says that the stream stops inside a token.
var ErrTruncated = errors.New("heatshrink stream ends inside a token")

const (
	literalBits = 1 + 8
	// minMatch is the shortest match that is not longer than its literals, by the reference encoder's rule: more than
	// an eighth of matchBits. It is the same in both configurations.
	minMatch = 3
)

func (c Config) matchBits() uint { return 1 + c.window + c.lookahead }
