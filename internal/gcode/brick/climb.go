package brick

import "bricklayers.dev/bricklayers/internal/gcode/lex"

// climb is how a column gets up: in steps of equal height, one on each layer, the last of which takes it to a share of
// the height of its layer.
type climb struct {
	steps int64
	share int64 // in billionths
}

func newClimb(opt *Options) climb { return climb{int64(opt.Ramp), int64(opt.MaxRaise*one + 0.5)} }

// offset is how far above its plane a loop stands on a layer of a height, after so many steps.
func (c climb) offset(height int32, rise uint8) int64 {
	return int64(height) * c.share * int64(rise) / (c.steps * one)
}

// target returns the height at which p is laid, rounded to a micron as printers read it.
func (c climb) target(l *layer, p *loop) int32 {
	if p.rise == 0 {
		return p.plane
	}
	return int32(lex.Round(int64(p.plane)+c.offset(l.height, p.rise), 3))
}

// mayRise reports whether a loop of l may stand this far above its plane, to the rounding of a micron.
func (c climb) mayRise(l *layer, lift int64) bool {
	for rise := range uint8(c.steps) + 1 {
		if off := lift - c.offset(l.height, rise); off <= 600 && off >= -600 {
			return rise == 0 || l.steady
		}
	}
	return false
}

// fit changes the step of p, and sets its flow, so that the space it fills is sane where heights change from layer to
// layer: at least a quarter of the height for this loop, and no less than half for the one above. stands is the step of
// the loop below.
func (c climb) fit(p *loop, l, below, next *layer, stands uint8) {
	h, lower := int64(l.height), int64(0)
	if below != nil {
		lower = c.offset(below.height, stands)
	}
	for next != nil && p.rise > 0 && c.offset(l.height, p.rise) > c.room(next) {
		p.rise--
	}
	for int64(p.rise) < c.steps && 4*(h+c.offset(l.height, p.rise)-lower) < h {
		p.rise++
	}
	// A height that falls to less than a quarter where the column cannot come down fast enough would leave no space.
	if space := max(h+c.offset(l.height, p.rise)-lower, h/4); space != h {
		p.factor = p.factor * space / h
	}
}

// room is how far the loops below may reach into a layer: its height, or what leaves a quarter of it for a loop there
// that has risen as far as it can.
func (c climb) room(next *layer) int64 {
	h := int64(next.height)
	return min(h, h*3/4+c.offset(next.height, uint8(c.steps)))
}
