package check

import "math"

// tolerance of a height in micrometres: three decimals are printed.
const heightTolerance = 0.6

// checkHeights finds how far each loop is raised and whether that is right.
func (c *checker) checkHeights(in, out *segment, p pairing) {
	r, l := c.report, c.layer
	r.checked("I5", len(in.beads))
	r.checked("I6", len(in.beads))
	next := 0 // loop
	for i := 0; i < len(in.beads); i++ {
		for next < len(l.loops) && int32(i) > l.loops[next].last {
			next++
		}
		if next < len(l.loops) && int32(i) == l.loops[next].first {
			c.checkLoop(in, out, p, &l.loops[next])
			i = int(l.loops[next].last)
			continue
		}
		c.atPlane(in, out, p, i)
	}
}

// raisedBy is how far a bead is above where it was sliced, at its end and at its start.
func raisedBy(in, out *segment, p pairing, i int) (end, start int32, ok bool) {
	o := p.toOut[i]
	if o < 0 {
		return 0, 0, false
	}
	a, b := &in.moves[in.beads[i]], &out.moves[out.beads[o]]
	return b.z - a.z, b.z0 - a.z0, true
}

func (c *checker) lines(in, out *segment, p pairing, i int) (lineIn, lineOut int) {
	lineIn = in.line + int(in.moves[in.beads[i]].cmd)
	if o := p.toOut[i]; o >= 0 {
		lineOut = out.line + int(out.moves[out.beads[o]].cmd)
	}
	return lineIn, lineOut
}

func (c *checker) atPlane(in, out *segment, p pairing, i int) {
	end, start, ok := raisedBy(in, out, p, i)
	if !ok || end == 0 && start == 0 {
		return
	}
	lineIn, lineOut := c.lines(in, out, p, i)
	if end < 0 || start < 0 {
		c.report.add("I6", lineIn, lineOut, "bead is %s mm below its plane", mm(-min(end, start)))
		return
	}
	c.report.add("I5", lineIn, lineOut, "bead that is no inner wall is raised by %s mm", mm(max(end, start)))
}

func (c *checker) checkLoop(in, out *segment, p pairing, l *loop) {
	r := c.report
	r.checked("I7", 1)
	first := true
	for i := int(l.first); i <= int(l.last); i++ {
		end, start, ok := raisedBy(in, out, p, i)
		if !ok {
			continue
		}
		lineIn, lineOut := c.lines(in, out, p, i)
		if first {
			l.raised = end
			first = false
		}
		if end != l.raised || start != l.raised {
			r.add("I7", lineIn, lineOut, "loop raised by %s mm, but here from %s to %s", mm(l.raised), mm(start), mm(end))
		}
		if end < 0 {
			r.add("I6", lineIn, lineOut, "bead is %s mm below its plane", mm(-end))
		}
	}
	lineIn, lineOut := c.lines(in, out, p, int(l.first))
	c.checkRise(l, lineIn, lineOut)
}

// checkRise judges the height of a loop as a whole.
func (c *checker) checkRise(l *loop, lineIn, lineOut int) {
	r, at := c.report, c.layer
	if l.hidden() && at.marked {
		c.totals.inner++
	}
	if l.raised <= 0 {
		return
	}
	c.totals.raised++
	r.checked("I8", 1)
	if !l.hidden() {
		r.add("I7", lineIn, lineOut, "raised by %s mm though it is not a loop behind the visible wall", mm(l.raised))
	}
	if at.locked || !at.walls {
		r.add("I5", lineIn, lineOut, "raised by %s mm on layer %d, which must stay as it is", mm(l.raised), at.number)
		return
	}
	h, raised := float64(at.height), float64(l.raised)
	l.steps = int64(max(1, min(math.Round(raised/c.step(at)), float64(c.opt.Ramp))))
	off := math.Abs(raised - float64(l.steps)*c.step(at))
	switch {
	case off > heightTolerance:
		r.add("I5", lineIn, lineOut, "raised by %s mm on a layer of %s mm: not a whole number of steps of %.4f mm",
			mm(l.raised), mm(at.height), c.step(at)/1000)
	case l.uncovered > 0.8:
		r.add("I5", lineIn, lineOut, "raised by %s mm where no wall is below", mm(l.raised))
	case l.steps > c.mostBelow(l)+1:
		r.add("I5", lineIn, lineOut, "raised by %d steps at once, without a ramp", l.steps)
	case c.opt.LoneFlat && at.alone(l, c.opt.Width):
		r.add("I5", lineIn, lineOut, "raised by %s mm though it is the only loop of its wall and those were to stay flat",
			mm(l.raised))
	}
	if raised > c.opt.MaxRaise*h+heightTolerance || raised > c.opt.Nozzle*500 {
		r.add("I8", lineIn, lineOut, "raised by %s mm: more than %v of a layer of %s mm, or half the nozzle", mm(l.raised),
			c.opt.MaxRaise, mm(at.height))
	}
}

// step is how much further a column rises on a layer than the one below, in micrometres, while it climbs.
func (c *checker) step(l *layer) float64 {
	return c.opt.MaxRaise * float64(l.height) / float64(c.opt.Ramp)
}

// lone says whether no other loop behind the visible wall runs beside p.
func (l *layer) lone(p *loop) bool {
	for _, pair := range l.pairs {
		a, b := &l.loops[pair[0]], &l.loops[pair[1]]
		if (a == p || b == p) && a.hidden() && b.hidden() {
			return false
		}
	}
	return true
}

// alone says whether no other loop behind a visible wall comes near p. It is sure where lone is not: what seems to be
// another wall may be the same one, interrupted by a command.
func (l *layer) alone(p *loop, width float64) bool {
	for i := range l.loops {
		if q := &l.loops[i]; q != p && q.hidden() && near(p, q, float32(2.2*width)) {
			return false
		}
	}
	return true
}

// mostBelow is by how many steps the loops below are raised at most.
func (c *checker) mostBelow(l *loop) int64 {
	most := int64(0)
	for _, s := range l.ofBelow {
		most = max(most, c.layer.below.loops[s.loop].steps)
	}
	return most
}
