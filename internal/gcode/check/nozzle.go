package check

// nozzleTotals are lengths in mm.
type nozzleTotals struct {
	travelIn, travelOut float64
	wall, ploughed      float64
	cover, over         float64
}

const (
	proud       = 30 // micrometres by which a bead must stand higher to be in the way
	ploughReach = 0.5
	coverReach  = 0.3
)

// checkNozzle lays the output in print order and measures where the nozzle passes beside or over what stands higher.
func (c *checker) checkNozzle(in, out *segment, p pairing) {
	l := c.layer
	if c.waiting != nil && (!l.walls || l.below == c.waiting) {
		c.checkCover(out)
	}
	if !l.walls {
		return
	}
	var rods []rod
	for i := range l.loops {
		q := &l.loops[i]
		if q.raised <= proud {
			continue
		}
		for b := q.first; b <= q.last; b++ {
			if o := p.toOut[b]; o >= 0 {
				rods = out.moves[out.beads[o]].rods(rods, o)
			}
		}
	}
	l.raised = newRodMap(rods)
	c.checkPlough(out)
}

// checkPlough measures how much of the visible wall is laid beside an earlier bead of the layer that stands higher.
func (c *checker) checkPlough(out *segment) {
	t, raised := &c.totals.nozzle, c.layer.raised
	for n, b := range out.beads {
		m := &out.moves[b]
		if m.class != visible {
			continue
		}
		m.sample(0.5, func(p point, length float64) {
			t.wall += length
			if raised.hits(p, ploughReach, func(r *rod) bool { return r.bead < int32(n) && r.top > m.z+proud }) {
				t.ploughed += length
			}
		})
	}
}

// checkCover measures how much solid filling, top or bridge is laid over a raised bead of the layer below. The ends of
// its lines that lap onto a wall of its own layer do not count: that wall is what lies there.
func (c *checker) checkCover(out *segment) {
	below := c.waiting
	if len(below.raised.rods) == 0 {
		return
	}
	t, reported := &c.totals.nozzle, false
	var own *rodMap
	for _, b := range out.beads {
		m := &out.moves[b]
		if m.class != cover {
			continue
		}
		m.sample(0.2, func(p point, length float64) {
			t.cover += length
			if !below.raised.hits(p, coverReach, func(r *rod) bool { return r.top > below.floor+proud }) {
				return
			}
			if own == nil {
				own = ownWalls(out)
			}
			if own.hits(p, float32(c.opt.Width), func(*rod) bool { return true }) {
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

func ownWalls(g *segment) *rodMap {
	var rods []rod
	for _, b := range g.beads {
		if m := &g.moves[b]; m.class.wall() {
			rods = m.rods(rods, 0)
		}
	}
	return newRodMap(rods)
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
	maxOver   = 0.02 // of solid filling, in a print that is not a simple one
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
	if !c.opt.Exact && t.over > maxOver*t.cover {
		r.add("I20", 0, 0, "%.1f mm are laid over beads that stand proud", t.over)
	}
	r.measured("I20", "%.1f of %.0f mm laid over raised beads", t.over, t.cover)
}
