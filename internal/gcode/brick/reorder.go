package brick

// Print order. As sliced, a raised loop often comes before the flat one beside it, and then the nozzle lays that one
// with its flank half a layer deep in the other:
//
//	slicer      1 raised, 2, 0 visible        the nozzle passes beside 1 twice
//	contour     2, 0 visible, then 1 raised   it only passes beside what is lower
//
// So in the order "contour" the flat loops of a wall stay in the slicer's order and the raised ones follow, from the
// outside in. A loop keeps its beads and what stands between them. What leads to it is made anew where it comes from
// somewhere else: one travel, and a retraction only where the file would retract for it. Commands stay where they are,
// in their order; those between the beads of a loop that moves, such as M106, stay where the loop was. Comments that
// label the beads are said again where they would be wrong. What leaves the wall starts from another place, so that a
// wipe becomes a plain retraction.
//
// Where any of this could go wrong, the wall is printed as sliced.

import (
	"cmp"
	"math"
	"slices"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// defaultTravelRetract is how far slicers let the nozzle travel without retracting, if the file does not say.
const defaultTravelRetract = 2 * mm

// retraction is how the file retracts, as seen in the leads of its loops.
type retraction struct {
	length     int64
	feed       int32 // 1/1000 mm/min
	primeFeed  int32
	pulled     int64 // in the lead that is being read
	pulledFeed int32
}

// see notes the retraction and the prime of a lead.
func (r *retraction) see(m *move) {
	switch {
	case !m.is(hasE) || m.is(isBead):
	case m.e < 0:
		r.pulled -= int64(m.e)
		if !m.is(hasXY) {
			r.pulledFeed = m.f
		}
	case r.pulled > 0:
		if int64(m.e) == r.pulled && r.pulledFeed > 0 {
			r.length, r.feed, r.primeFeed = r.pulled, r.pulledFeed, m.f
		}
		r.pulled = 0
	}
}

// mover is the part of the emitter that is only used when loops change places.
type mover struct {
	reorders      bool
	travelRetract float64 // shortest travel that retracts, in nm
	pull          retraction
	follow        []move  // what comes behind the layer
	raised        []*loop // scratch

	x, y, feed int32  // where the nozzle is, and the feed rate in force
	absolute   bool   // E words of the contour are positions
	counter    int64  // position of the filament in the output, if so
	silent     bool   // leave out settings: they were given where the loop was
	said       [3]int // labels in force in the output, by kind
	displaced  bool   // the nozzle left a contour from another place than in the input,
	inX, inY   int32  // which is this
	drawn      int64  // filament moved since
	unsure     bool   // by how much, because of a command
	travel     float64
}

func newMover(opt *Options, cfg *dialect.Settings) mover {
	return mover{
		reorders: opt.Order == OrderContour, travelRetract: float64(cmp.Or(cfg.TravelRetract, defaultTravelRetract)),
	}
}

// contourAt returns the loops of the contour that begins with loop a, if they are to be printed in another order.
func (e *emitter) contourAt(a int) (loops []loop, ok bool) {
	l := e.l
	first := &l.loops[a]
	if !e.reorders || !first.wall {
		return nil, false
	}
	b := a
	for b < len(l.loops) && l.loops[b].wall && l.loops[b].contour == first.contour {
		b++
	}
	loops = l.loops[a:b]
	if int32(len(loops)) != l.contours[first.contour].loops || !outOfOrder(loops) {
		return nil, false
	}
	for i := range loops {
		p := &loops[i]
		if p.plane != first.plane || p.hold == holdRelative || e.counts(p) != e.counts(first) ||
			!e.movable(p) || i > 0 && !e.replaceable(p) {
			return nil, false
		}
	}
	return loops, e.leavable(loops[len(loops)-1].last+1) && e.hoppable(loops)
}

// counts reports whether the E words of p are positions.
func (e *emitter) counts(p *loop) bool { return e.l.moves[p.first].is(absoluteE) }

// outOfOrder reports whether a raised loop comes before a flat one.
func outOfOrder(loops []loop) bool {
	raised := false
	for i := range loops {
		if raised && loops[i].rise == 0 {
			return true
		}
		raised = raised || loops[i].rise > 0
	}
	return false
}

// movable reports whether nothing among the beads of p has to stay where it is.
func (e *emitter) movable(p *loop) bool {
	for i := p.first + 1; i <= p.last; i++ {
		if e.l.moves[i].is(afterCommand | relative | setsE | setsXYZ) {
			return false
		}
	}
	return true
}

// replaceable reports whether the lead of p only travels: retracts and primes by the same length, and ends in a
// straight travel to where p begins.
func (e *emitter) replaceable(p *loop) bool {
	net, arrives := int64(0), false
	for i := p.lead; i < p.first; i++ {
		m := &e.l.moves[i]
		if m.is(relative | setsE | setsXYZ | unknownZ | afterRetract) {
			return false
		}
		net += int64(m.e)
		if m.is(hasXY) {
			arrives = m.flags&(linear|hasE) == linear
		}
	}
	return net == 0 && arrives && !e.l.moves[p.first].is(afterRetract)
}

// leavable reports whether what follows move i finds its way from anywhere: the first travel names both axes.
func (e *emitter) leavable(i int32) bool {
	for _, moves := range [2][]move{e.l.moves[i:], e.follow} {
		for k := range moves {
			switch m := &moves[k]; {
			case m.is(relative | setsXYZ | isBead):
				return false
			case !m.is(hasXY):
			case m.is(hasE) && m.e < 0 && m.is(linear):
			default:
				return m.flags&(linear|hasBoth|hasE) == linear|hasBoth
			}
		}
	}
	return false
}

// hoppable reports whether it is known how to retract, if any of the new travels needs it.
func (e *emitter) hoppable(loops []loop) bool {
	if e.pull.length > 0 {
		return true
	}
	hops := true
	x, y := e.start(&loops[0])
	visit := func(p *loop, hop bool) {
		if toX, toY := e.start(p); hop && distance(x, y, toX, toY) > e.travelRetract {
			hops = false
		}
		last := &e.l.moves[p.last]
		x, y = last.x, last.y
	}
	for i := range loops {
		if p := &loops[i]; p.rise == 0 {
			visit(p, i > 0 && loops[i-1].rise > 0) // or its lead stays as it is
		}
	}
	for _, p := range e.raisedOf(loops) {
		visit(p, true)
	}
	return hops
}

// raisedOf returns the raised ones of loops, from the outside in.
func (e *emitter) raisedOf(loops []loop) []*loop {
	raised := e.raised[:0]
	for i := range loops {
		if loops[i].rise > 0 {
			raised = append(raised, &loops[i])
		}
	}
	slices.SortStableFunc(raised, func(a, b *loop) int { return int(a.phase - b.phase) })
	e.raised = raised
	return raised
}

func distance(ax, ay, bx, by int32) float64 {
	return math.Hypot(float64(ax)-float64(bx), float64(ay)-float64(by))
}

// start returns where p begins.
func (e *emitter) start(p *loop) (x, y int32) {
	if p.first == 0 {
		return e.l.startX, e.l.startY
	}
	m := &e.l.moves[p.first-1]
	return m.x, m.y
}
