package brick

// Finding loops. A wall is printed loop by loop, and between two loops the nozzle travels:
//
//	G1 X10 Y10 F9000   ┐ lead: everything behind the last bead of what came before
//	;TYPE:Perimeter    ┘
//	G1 X20 Y10 E1      ┐
//	G1 F1800           │ loop: beads, and whatever stands between them that does not move in XY
//	G1 X20 Y20 E1      ┘
//	G1 X10.5 Y10.5     ─ travel: the loop is over, the next lead begins
//
// A loop is a maximal chain of beads under wall labels that no travel interrupts. A change of label within the chain
// does not end it: slicers mark the stretch of a wall that hangs over air as an overhang. Which kind of wall it is
// follows from all labels of the chain. Beads that are no wall matter here only because the nozzle must be back at
// their height: the first one behind a loop becomes a group of its own.

import (
	"math"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// A loop is a chain of beads, or the first of those beads that are no wall.
type loop struct {
	lead        int32 // first move behind the bead before
	first, last int32 // first and last bead
	run         int32 // wall run it belongs to; loops of different runs have nothing to do with each other
	plane       int32 // height it is sliced for
	wall        bool
	visible     bool // has beads of the visible wall
	hidden      bool // has beads of the walls behind it
	hold        hold

	points  span // its path in layer.points, from the point where it begins
	boxes   span // around its path in layer.boxes
	box     box
	contour int32
	apart   float32 // squared distance to the anchor of its contour, 0 until it is measured
	phase   int32   // 0 is the visible wall, 1 the loop beside it; odd ones are raised

	cells  span  // its footprint in layer.cells
	rise   uint8 // steps of its climb it is raised by
	factor int64 // of the flow, in billionths
}

type span struct{ from, to int32 }

func (s span) len() int { return int(s.to - s.from) }

// inner reports whether the loop is one of those behind the visible wall.
func (p *loop) inner() bool { return p.wall && p.hidden && !p.visible }

// candidate reports whether the loop is one of those to raise, were it not for its neighbours above and below.
func (p *loop) candidate() bool { return p.inner() && p.phase&1 == 1 && p.hold == holdNone }

// loopFinder is the state of the walk over the moves of a layer.
type loopFinder struct {
	l        *layer
	open     bool  // the last loop may go on
	other    bool  // the last bead was no wall
	touched  bool  // a Z or G92 stands behind the last bead
	lastBead int32 // -1 before the first
	run      int32
	x, y     int32 // where the head is
}

// findLoops fills l.loops and l.points.
func (l *layer) findLoops() {
	f := loopFinder{l: l, lastBead: -1, x: l.startX, y: l.startY}
	wallsCount := l.walls && !l.raft && !l.part && !l.preamble
	for i := range l.moves {
		m := &l.moves[i]
		switch {
		case m.is(isBead) && m.region.Wall() && wallsCount:
			f.wallBead(int32(i), m)
		case m.is(isBead):
			f.otherBead(int32(i), m)
		case m.is(movesXY):
			f.open = false
		case m.is(hasZ | setsXYZ):
			f.touched = true
		}
		f.x, f.y = m.x, m.y
	}
}

func (f *loopFinder) otherBead(i int32, m *move) {
	if !f.other {
		f.l.loops = append(f.l.loops, loop{lead: f.lastBead + 1, first: i, last: i, plane: m.z, contour: -1})
		f.run++
	}
	f.other, f.open, f.lastBead = true, false, i
}

func (f *loopFinder) wallBead(i int32, m *move) {
	l := f.l
	if m.is(breaksRun) {
		f.run++
		f.open = false
	}
	if !f.open {
		at := int32(len(l.points))
		l.loops = append(l.loops, loop{
			lead: f.lastBead + 1, first: i, run: f.run, plane: m.z, wall: true, contour: -1, points: span{at, at},
		})
		l.points = append(l.points, point{toMM(f.x), toMM(f.y)})
		f.touched = false
	}
	p := &l.loops[len(l.loops)-1]
	p.last = i
	p.visible = p.visible || m.region == dialect.External
	p.hidden = p.hidden || m.region == dialect.Internal
	switch {
	case m.is(relative):
		p.hold = holdRelative
	case m.is(hasZ|unknownZ) || f.touched:
		p.hold = max(p.hold, holdZ)
	}
	if m.is(linear) {
		l.points = append(l.points, point{toMM(m.x), toMM(m.y)})
	} else {
		a := &l.arcs[m.arc]
		if a.radius || m.is(turned) {
			p.hold = max(p.hold, holdArc)
		}
		l.points = appendArc(l.points, point{toMM(f.x), toMM(f.y)}, point{toMM(m.x), toMM(m.y)}, a)
	}
	p.points.to = int32(len(l.points))
	f.open, f.other, f.touched, f.lastBead = true, false, false, i
}

// appendArc appends points on the way from a to b, b included, close enough together for every distance measured here.
func appendArc(points []point, a, b point, c *arc) []point {
	cx, cy := float64(a.x)+float64(c.i)/mm, float64(a.y)+float64(c.j)/mm
	radius := math.Hypot(float64(a.x)-cx, float64(a.y)-cy)
	from := math.Atan2(float64(a.y)-cy, float64(a.x)-cx)
	sweep := math.Atan2(float64(b.y)-cy, float64(b.x)-cx) - from
	switch {
	case c.radius:
		return append(points, b)
	case c.clockwise && sweep >= 0:
		sweep -= 2 * math.Pi
	case !c.clockwise && sweep <= 0:
		sweep += 2 * math.Pi
	}
	const chord, maxTurn, maxSteps = 0.5, math.Pi / 8, 1000
	steps := math.Ceil(max(math.Abs(sweep)*radius/chord, math.Abs(sweep)/maxTurn))
	for i := 1.0; i < min(steps, maxSteps); i++ {
		sin, cos := math.Sincos(from + sweep*i/min(steps, maxSteps))
		points = append(points, point{float32(cx + radius*cos), float32(cy + radius*sin)})
	}
	return append(points, b)
}
