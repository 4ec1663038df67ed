package brick

// Building columns. A raised loop stands on the raised loop of the layer below, so that the raised ones form columns
// that are half a layer out of step with their neighbours. From the side, through a wall of four loops:
//
//	        1     3      raised loops
//	     0     2         flat ones; 0 is the visible wall
//	     ┌──┐──┌──┐──
//	     │  │##│  │##    cap: laid flat because nothing of the column is above; half the plastic
//	   ──├──┤##├──┤##
//	     │  ├──┤  ├──
//	     │  │##│  │##    h/2 above the plane, the full amount
//	   ──├──┤##├──┤##
//	     │  ├──┤  ├──    ramp: h/4 above, 1¼ of the plastic
//	     │  │##│  │##
//	   ──├──┼──┼──┼──
//	     │  │##│  │##    bed: as sliced
//	   ──└──┴──┴──┴──
//
// A bead fills the space from what its column left below up to the nozzle, which gives the flow:
//
//	factor = (h + o − o₋₁) / h      o, o₋₁: how far this and the layer below are raised
//
// Whether a column goes on is read off the footprints: a loop of which three quarters have no inner wall above them
// is a cap, one of which three quarters have none below begins a column. What there is below and above is counted
// square by square, and the majority decides whether it is the same column: above a loop that will lie flat, a raised
// one would squeeze it. So a layer can be decided once the next one is known.

import "bricklayers.dev/bricklayers/internal/gcode/dialect"

// maxHeld is how much text without walls may stand between two layers of walls; beyond it the walls below are capped.
const maxHeld = 2 << 20

type columnBuilder struct {
	opt   *Options
	cfg   *dialect.Settings
	climb climb
	stats *Stats
	done  func(l *layer, follow []move) // takes a decided layer, and the moves behind it as far as they are known
	free  func(*layer)                  // takes back a layer nobody needs any more

	below   *layer // last decided layer of walls
	current *layer // layer of walls that waits for the next one
	held    []*layer
	heldLen int
	number  int
	sealed  bool // the last layer must come out byte for byte
}

// add takes the next layer in order.
func (b *columnBuilder) add(l *layer) {
	l.sealed, b.sealed = b.sealed, false
	if !l.walls || l.part && b.below != nil && near(l.floor, b.below.floor) {
		b.addPlain(l) // which may free it
		return
	}
	b.place(l)
	b.sealed = l.locked
	b.settle(l)
	b.current = l
	if l.part { // nothing to decide, too big to keep
		b.settle(nil)
	}
}

// finish takes the end of the input.
func (b *columnBuilder) finish() {
	b.settle(nil)
}

func (b *columnBuilder) addPlain(l *layer) {
	if l.beads > 0 && b.number > 0 && !l.part {
		b.number++
	}
	if b.current == nil {
		b.done(l, nil)
		b.free(l)
		return
	}
	b.held = append(b.held, l)
	b.heldLen += len(l.text)
	if b.heldLen > maxHeld {
		b.settle(nil)
	}
}

// place finds out where l stands: in which object, as which layer, how far above the one below.
func (b *columnBuilder) place(l *layer) {
	last := b.current
	if last == nil {
		last = b.below
	}
	if last == nil || l.floor < last.floor-sameHeight {
		b.number = 1
		b.stats.Objects++
		l.height = l.floor
	} else {
		b.number++
		l.height = l.floor - last.floor
	}
	l.number = b.number
	l.locked = l.number < b.opt.StartLayer || b.opt.Ignore.Contains(l.number)
	l.restart = b.opt.Ignore.Contains(l.number) || l.part
	nozzle := int64(dialect.DefaultNozzle)
	if b.cfg.Nozzle > 0 {
		nozzle = b.cfg.Nozzle
	}
	l.steady = l.number > 1 && !l.part && saneHeight(l.height, l.declared, nozzle)
	b.stats.height(l)
}

// saneHeight reports whether h can be the height of a layer: one this nozzle can print, and within a tenth of what the
// slicer declares, if it does.
func saneHeight(h, declared int32, nozzle int64) bool {
	const least, most = 20 * micron, 1200 * micron
	if h < least || int64(h) > min(nozzle*9/10, most) {
		return false
	}
	off := declared - h
	return declared == 0 || max(off, -off) <= h/10+sameHeight
}

// settle decides the current layer, now that the next one is known or known to be missing, and hands on what waited.
func (b *columnBuilder) settle(next *layer) {
	l := b.current
	if l == nil {
		return
	}
	below := b.below
	if l.number == 1 {
		below = nil
	}
	after := next
	if next != nil && next.number == 1 {
		next = nil
	}
	for i := range l.loops {
		if p := &l.loops[i]; p.inner() {
			b.decide(l, p, below, next)
			b.stats.loop(l, p)
		}
	}
	switch {
	case len(b.held) > 0:
		b.done(l, b.held[0].moves)
	case after != nil:
		b.done(l, after.moves)
	default:
		b.done(l, nil)
	}
	for _, h := range b.held {
		b.done(h, nil)
		b.free(h)
	}
	b.held, b.heldLen = b.held[:0], 0
	if b.below != nil {
		b.free(b.below)
	}
	b.below, b.current = l, nil
}

// decide says how far p rises and how much plastic it gets.
func (b *columnBuilder) decide(l *layer, p *loop, below, next *layer) {
	p.rise, p.factor = 0, one
	if l.locked {
		p.hold = holdBed
		if l.restart {
			p.hold = holdIgnored
		}
		return
	}
	if p.hold == holdRelative {
		return
	}
	p.factor = b.multiplier(l)
	b.stats.Multiplier = float64(p.factor) / one
	switch {
	case !p.candidate():
		return
	case !l.steady:
		p.hold = holdHeight
		return
	case !b.opt.IncludeLone && l.lone(p):
		p.hold = holdLone
		return
	case !near(p.plane, l.floor):
		p.hold = holdPlane
		return
	case p.cells.len() == 0:
		p.hold = holdTooBig
		return
	}
	stands := standsOn(l, p, below)
	p.rise = uint8(min(stands+1, b.opt.Ramp))
	if stands < 0 {
		p.rise, p.hold = 0, holdRamp
	}
	if !continues(l, p, next) {
		p.rise, p.hold = 0, holdCapped
	}
	b.climb.fit(p, l, below, next, uint8(max(stands, 0)))
}

// standsOn returns after how many steps the column of p stands in the layer below, -1 when it begins here.
func standsOn(l *layer, p *loop, below *layer) int {
	if below == nil || below.restart {
		return -1
	}
	var votes [maxRamp + 1]int
	covered := 0
	for _, c := range l.cells[p.cells.from:p.cells.to] {
		if q := below.grid.get(c); q >= 0 {
			votes[below.loops[q].rise]++
			covered++
		}
	}
	if covered*4 < p.cells.len() {
		return -1
	}
	best := 0
	for rise := range votes {
		if votes[rise] > votes[best] {
			best = rise
		}
	}
	return best
}

// continues reports whether the column of p goes on in the next layer.
func continues(l *layer, p *loop, next *layer) bool {
	if next == nil || next.locked || !next.steady {
		return false
	}
	covered, raised := 0, 0
	for _, c := range l.cells[p.cells.from:p.cells.to] {
		if q := next.grid.get(c); q >= 0 {
			covered++
			if next.loops[q].candidate() {
				raised++
			}
		}
	}
	return covered*4 >= p.cells.len() && raised*2 >= covered
}

// multiplier returns the flow of the inner walls of l, in billionths.
func (b *columnBuilder) multiplier(l *layer) int64 {
	if b.opt.Multiplier != 0 {
		return int64(b.opt.Multiplier*one + 0.5)
	}
	return int64(autoMultiplier(float64(l.height)/mm, b.cfg)*one + 0.5)
}

// autoMultiplier grows with the height of a layer against the spacing of its loops: 1.025 for 0.2 mm at 0.45 mm. A
// layer whose height is not known gets 1.
func autoMultiplier(height float64, c *dialect.Settings) float64 {
	const extra, usual, corner = 0.05, 0.2 / 0.4071, 1 - 3.14159265/4
	width := float64(dialect.DefaultWidth) / mm
	if c.InnerWidth > 0 {
		width = float64(c.InnerWidth) / mm
	}
	spacing := width - height*corner
	if height <= 0 || spacing <= height*corner {
		return 1
	}
	return min(1+extra*0.5*(height/spacing)/usual, 2-height*corner/spacing)
}
