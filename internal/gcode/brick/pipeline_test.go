package brick

import (
	"bytes"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// TestLargeLayersStayFew: when large and small layers take turns, the small ones must not all grow to be large.
func TestLargeLayersStayFew(t *testing.T) {
	var pool layerPool
	fill := func(size int) *layer {
		l := pool.take()
		l.text = append(l.text, make([]byte, size)...)
		pool.text = size
		return l
	}
	for range 50 {
		var flight []*layer
		for i := range 40 {
			size := 1000
			if i%4 == 0 {
				size = 1 << 20
			}
			flight = append(flight, fill(size))
		}
		for _, l := range flight {
			pool.give(l)
		}
	}
	held := 0
	for _, l := range append(pool.small, pool.large...) {
		held += cap(l.text)
	}
	if held > 24<<20 {
		t.Errorf("the pool holds %d MB for 10 MB in flight", held>>20)
	}
}

// TestNothingIsReadOfAFreedLayer: who is given a layer back may fill it anew at once.
func TestNothingIsReadOfAFreedLayer(t *testing.T) {
	for _, order := range []Order{OrderSlicer, OrderContour} {
		s := brickPrint(t, "prusa", []string{"support", "sequential", "machine"}, func(o *Options) {
			o.Order, o.StartLayer = order, 4
		})
		cfg := dialect.ReadSettings(s.in)
		e := &emitter{climb: newClimb(&s.opt), stats: &Stats{}, mover: newMover(&s.opt, &cfg)}
		b := &columnBuilder{opt: &s.opt, cfg: &cfg, climb: e.climb, stats: e.stats}
		b.free = func(l *layer) { *l = layer{locked: true, walls: true, part: true, number: 99, floor: 1} }
		var out []byte
		locked := false // the layer before
		b.done = func(l *layer, follow []move) {
			if l.sealed != locked {
				t.Errorf("line %d: sealed %v behind a layer that is locked %v", l.line, l.sealed, locked)
			}
			locked = l.locked
			e.layer(l, follow)
			out = append(out, e.out...)
		}
		take := func() *layer { return &layer{} }
		err := newScanner(make([]byte, 0, bufferSize), bytes.NewReader(s.in), false, take, func(l *layer) error {
			l.analyse(&cfg)
			b.add(l)
			return nil
		}).run()
		if err != nil {
			t.Fatal(err)
		}
		b.finish()
		first, rest := lex.NextLine(s.out)
		_, rest = lex.NextLine(rest) // the header
		if want := append(bytes.Clone(first), rest...); !bytes.Equal(out, want) {
			t.Errorf("%s: another output", order)
		}
	}
}
