package brick

import (
	"math/rand/v2"
	"testing"
)

// TestEveryLoopHasRoom builds columns over layers of varying height that end anywhere, and demands that each loop of
// them has at least a quarter of its height to fill, and gets what fills it, as long as no layer is less than half as
// high as the one below.
func TestEveryLoopHasRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for range 20_000 {
		opt := DefaultOptions()
		opt.Ramp, opt.MaxRaise = 1+r.IntN(maxRamp), 0.1+0.4*r.Float64()
		c := newClimb(&opt)
		layers := make([]*layer, 12)
		for i := range layers {
			layers[i] = &layer{height: int32(20+r.IntN(340)) * micron, steady: true}
			if i > 0 { // slicers change heights gradually
				layers[i].height = max(layers[i].height, layers[i-1].height/2/micron*micron)
			}
		}
		end := 2 + r.IntN(len(layers)-2)
		var below *layer
		stands := uint8(0)
		for i, l := range layers[:end] {
			p := loop{factor: one, rise: min(stands+1, uint8(c.steps))}
			var next *layer
			if i+1 < end {
				next = layers[i+1]
			} else {
				p.rise = 0 // the cap
			}
			c.fit(&p, l, below, next, stands)
			space := int64(l.height) + c.offset(l.height, p.rise)
			if below != nil {
				space -= c.offset(below.height, stands)
			}
			if got := p.factor * int64(l.height) / one; space*4 < int64(l.height) || got-space > 1 || space-got > 1 {
				t.Fatalf("%+v: layer %d of %d µm has a space of %d nm, and %d nm to fill it", opt, i, l.height/micron,
					space, got)
			}
			if c.offset(l.height, p.rise) > int64(l.height)/2 {
				t.Fatalf("%+v: raised by more than half a layer", opt)
			}
			below, stands = l, p.rise
		}
	}
}
