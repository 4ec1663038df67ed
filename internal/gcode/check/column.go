package check

// columnTotals count pairs of loops.
type columnTotals struct {
	above, broken int
	beside, same  int
}

// stack puts the compared layer on top of the one below, which can now be judged: it is known what is above it.
func (c *checker) stack() {
	l := c.layer
	if !l.walls {
		return
	}
	if c.waiting != nil {
		if l.below == c.waiting {
			c.judge(c.waiting, l)
		} else {
			c.judge(c.waiting, nil)
		}
		c.waiting.below = nil // it has been judged: let go of what is below
	}
	c.waiting = l
}

// judge looks at a layer of walls between the one below, l.below, and the one above; either may be nil.
func (c *checker) judge(l, above *layer) {
	l.expose(above)
	for i := range l.loops {
		l.loops[i].flatFor = c.excused(l, above, &l.loops[i])
	}
	c.checkCaps(l, above)
	c.checkNeighbours(l)
	if l.below != nil {
		c.checkColumns(l)
	}
}

// expose finds how much of each loop has no wall above it.
func (l *layer) expose(above *layer) {
	if above == nil {
		return
	}
	for i := range l.loops {
		p := &l.loops[i]
		if len(p.cells) == 0 {
			continue
		}
		n := 0
		for _, k := range p.cells {
			any := false
			owners(above.owners, k, func(int32) { any = true })
			if !any {
				n++
			}
		}
		p.exposed = float64(n) / float64(len(p.cells))
	}
}

// mostly is the share of a loop with nothing above or below from which on it may be flat; rules say three quarters, but
// squares may be laid out in more than one way.
const mostly = 0.65

// excused says whether a loop of l may be flat whatever its neighbours are.
func (c *checker) excused(l, above *layer, p *loop) bool {
	switch {
	case l.locked, !l.steady, p.held(l), !p.hidden():
		return true
	case above == nil, above.locked, !above.steady, p.exposed >= mostly:
		return true
	case l.below == nil, l.below.ignored, p.uncovered >= mostly:
		return true
	case c.opt.LoneFlat && l.lone(p):
		return true
	}
	return false
}

func (c *checker) checkCaps(l, above *layer) {
	for i := range l.loops {
		p := &l.loops[i]
		if p.raised <= 0 {
			continue
		}
		c.report.checked("I20", 1)
		switch {
		case above == nil:
			c.report.add("I20", p.line, 0, "raised by %s mm on the last layer of its object", mm(p.raised))
		case above.locked:
			c.report.add("I20", p.line, 0, "raised by %s mm though the layer above must stay as it is", mm(p.raised))
		case p.exposed > 0.85:
			c.report.add("I20", p.line, 0, "raised by %s mm where no wall is above", mm(p.raised))
		}
	}
}

// checkNeighbours sees that loops side by side are not both raised or both flat.
func (c *checker) checkNeighbours(l *layer) {
	t := &c.totals.columns
	for _, pair := range l.pairs {
		p, q := &l.loops[pair[0]], &l.loops[pair[1]]
		c.report.checked("I19", 1)
		t.beside++
		both := p.raised > 0 && q.raised > 0
		// Of two flat ones, the visible or even one is meant to be flat; one of them must have a reason.
		flat := p.raised == 0 && q.raised == 0 && !eitherFlatFor(p, q)
		if !both && !flat {
			continue
		}
		t.same++
		if c.opt.Exact {
			what := "flat without a reason"
			if both {
				what = "raised"
			}
			c.report.add("I19", p.line, 0, "layer %d: this loop and the one on line %d beside it are both %s", l.number,
				q.line, what)
		}
	}
	c.report.measured("I19", "%d of %d pairs alike", t.same, t.beside)
}

// eitherFlatFor says whether one of two loops that are not the visible one is flat for a reason.
func eitherFlatFor(p, q *loop) bool { return p.flatFor && !p.visible || q.flatFor && !q.visible }

// checkColumns sees that a loop is raised where the same loop below is.
func (c *checker) checkColumns(l *layer) {
	t := &c.totals.columns
	for i := range l.loops {
		p := &l.loops[i]
		if !p.hidden() || p.flatFor {
			continue
		}
		for _, s := range p.ofBelow {
			q := &l.below.loops[s.loop]
			if s.part < 0.75 || q.flatFor {
				continue
			}
			c.report.checked("I18", 1)
			t.above++
			if (p.raised > 0) == (q.raised > 0) {
				continue
			}
			t.broken++
			if c.opt.Exact {
				c.report.add("I18", p.line, 0, "layer %d: raised by %s mm, the same loop on line %d below by %s", l.number,
					mm(p.raised), q.line, mm(q.raised))
			}
		}
	}
	c.report.measured("I18", "%d of %d columns change", t.broken, t.above)
}

// maxBroken is the share of columns of a real print that may change: where walls drift, another loop takes the place.
const maxBroken = 0.10

func (c *checker) finishColumns() {
	t := &c.totals.columns
	if !c.opt.Exact && float64(t.broken) > maxBroken*float64(t.above) {
		c.report.add("I18", 0, 0, "%d of %d columns change from one layer to the next", t.broken, t.above)
	}
}
