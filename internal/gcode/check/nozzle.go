package check

import (
	"cmp"
	"math"
	"slices"
)

// nozzleTotals are lengths in mm.
type nozzleTotals struct {
	travelIn, travelOut float64
	wall, ploughed      float64
	over                float64
	raised              int
}

const (
	proud       = 30 // micrometres by which a bead must stand higher to be in the way
	ploughReach = 0.5
	coverReach  = 0.3
	rodCell     = 1.0 // mm, of the squares in which beads are looked up
)

// rod is a short piece of a raised bead.
type rod struct {
	cell int64
	a, b point
	top  int32
	bead int32 // in print order
}

func rodCellOf(p point, dx, dy int) int64 {
	x, y := math.Floor(float64(p.x)/rodCell), math.Floor(float64(p.y)/rodCell)
	return (int64(x)+int64(dx))<<32 + int64(y) + int64(dy)
}

// checkNozzle lays the output in print order and measures where the nozzle passes beside or over what stands higher.
func (c *checker) checkNozzle(in, out *segment, p pairing) {
	l := c.layer
	if c.waiting != nil && (!l.walls || l.below == c.waiting) {
		c.checkCover(out)
	}
	if !l.walls {
		return
	}
	for i := range l.loops {
		q := &l.loops[i]
		if q.raised <= proud {
			continue
		}
		for b := q.first; b <= q.last; b++ {
			if o := p.toOut[b]; o >= 0 {
				l.rods = out.moves[out.beads[o]].rods(l.rods, o)
			}
		}
	}
	slices.SortFunc(l.rods, func(a, b rod) int { return cmp.Compare(a.cell, b.cell) })
	c.checkPlough(out)
}

func (m *move) rods(to []rod, bead int32) []rod {
	at := m.start()
	m.walk(0.5, func(p point) {
		mid := point{(at.x + p.x) / 2, (at.y + p.y) / 2}
		to = append(to, rod{cell: rodCellOf(mid, 0, 0), a: at, b: p, top: m.z, bead: bead})
		at = p
	})
	return to
}

// hits says whether one of the rods is within reach of p and passes the test.
func hits(rods []rod, p point, reach float32, test func(r *rod) bool) bool {
	for dx := -1; dx <= 1; dx++ {
		from := rodCellOf(p, dx, -1) // three squares one after the other
		i, _ := slices.BinarySearchFunc(rods, from, func(r rod, k int64) int { return cmp.Compare(r.cell, k) })
		for ; i < len(rods) && rods[i].cell <= from+2; i++ {
			if r := &rods[i]; test(r) && toSegment(p, r.a, r.b) <= reach {
				return true
			}
		}
	}
	return false
}

// checkPlough measures how much of the visible wall is laid beside an earlier bead of the layer that stands higher.
func (c *checker) checkPlough(out *segment) {
	t, rods := &c.totals.nozzle, c.layer.rods
	for n, b := range out.beads {
		m := &out.moves[b]
		if m.class != visible {
			continue
		}
		m.sample(0.5, func(p point, length float64) {
			t.wall += length
			if len(rods) > 0 && hits(rods, p, ploughReach, func(r *rod) bool { return r.bead < int32(n) && r.top > m.z+proud }) {
				t.ploughed += length
			}
		})
	}
}

// sample visits points along a bead and says for what length of it each stands.
func (m *move) sample(step float64, visit func(p point, length float64)) {
	n := 0
	m.walk(step, func(point) { n++ })
	each := m.length() / float64(n)
	at := m.start()
	m.walk(step, func(p point) {
		visit(point{(at.x + p.x) / 2, (at.y + p.y) / 2}, each)
		at = p
	})
}

// checkCover measures how much solid filling, top or bridge is laid over a raised bead of the layer below.
func (c *checker) checkCover(out *segment) {
	below := c.waiting
	if len(below.rods) == 0 {
		return
	}
	t, reported := &c.totals.nozzle, false
	for _, b := range out.beads {
		m := &out.moves[b]
		if m.class != cover {
			continue
		}
		m.sample(0.2, func(p point, length float64) {
			if !hits(below.rods, p, coverReach, func(r *rod) bool { return r.top > below.floor+proud }) {
				return
			}
			t.over += length
			if c.opt.Exact && !reported {
				reported = true
				c.report.add("I20", 0, out.line+int(m.cmd), "laid over a bead that stands proud of the layer below")
			}
		})
	}
}

// checkTravel adds up how far the nozzle moves without extruding.
func (c *checker) checkTravel(in, out *segment) {
	t := &c.totals.nozzle
	for _, g := range []struct {
		*segment
		sum *float64
	}{{in, &t.travelIn}, {out, &t.travelOut}} {
		for i := range g.moves {
			if m := &g.moves[i]; m.action == travel {
				*g.sum += m.length()
			}
		}
	}
}

const (
	maxTravel = 0.15 // more of it, when loops are reordered
	maxPlough = 0.15 // of the visible wall, when loops are reordered
	maxOver   = 0.01 // of what is laid over walls, per mm of visible wall, in a print that is not a simple one
)

func (c *checker) finishNozzle() {
	c.finishColumns()
	t, r := &c.totals.nozzle, c.report
	r.checked("I17", 1)
	r.checked("I21", 1)
	more := 0.0
	if t.travelIn > 0 {
		more = t.travelOut/t.travelIn - 1
	}
	limit := 0.001
	if c.opt.Order == Contour {
		limit = maxTravel
	}
	if more > limit {
		r.add("I17", 0, 0, "travel is %.2f %% longer", 100*more)
	}
	r.measured("I17", "%.0f mm, %+.2f %%", t.travelOut, 100*more)
	share := 0.0
	if t.wall > 0 {
		share = t.ploughed / t.wall
	}
	if c.opt.Order == Contour && share > maxPlough {
		r.add("I21", 0, 0, "%.1f %% of the visible wall is laid beside a higher bead", 100*share)
	}
	r.measured("I21", "%.1f %% of %.0f mm", 100*share, t.wall)
	if !c.opt.Exact && t.over > maxOver*t.wall {
		r.add("I20", 0, 0, "%.1f mm are laid over beads that stand proud", t.over)
	}
	r.measured("I20", "%.1f mm laid over raised beads", t.over)
}
