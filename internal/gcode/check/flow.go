package check

import "math"

// flowTotals add up filament, in 1e-6 mm.
type flowTotals struct {
	features         map[uint32]*featureFlow
	retractIn        int64
	retractOut       int64
	worst            float64 // deviation of a bead
	relative         bool
	lastLabel        uint32
	cycles           int // moves of filament other than beads
	expected, output float64
}

type featureFlow struct {
	line      int
	expected  float64
	output    float64
	stretches int
}

func (t *flowTotals) add(m *move, line int, expected float64, out int64) {
	if t.features == nil {
		t.features = map[uint32]*featureFlow{}
	}
	f := t.features[m.label]
	if f == nil {
		f = &featureFlow{line: line}
		t.features[m.label] = f
	}
	f.expected += expected
	f.output += float64(out)
	t.expected += expected
	t.output += float64(out)
	if t.lastLabel != m.label {
		t.lastLabel = m.label
		f.stretches++
	}
}

// checkFlow compares the filament of every bead with what its space takes.
func (c *checker) checkFlow(in, out *segment, p pairing) {
	l := c.layer
	c.totals.flow.relative = c.in.machine.relativeE
	next := 0
	for i := 0; i < len(in.beads); i++ {
		for next < len(l.loops) && int32(i) > l.loops[next].last {
			next++
		}
		if next < len(l.loops) && int32(i) == l.loops[next].first {
			c.loopFlow(in, out, p, &l.loops[next])
			i = int(l.loops[next].last)
			continue
		}
		c.beadFlow(in, out, p, i, 1)
	}
	c.balance(in, &c.totals.flow.retractIn)
	c.balance(out, &c.totals.flow.retractOut)
}

func (c *checker) balance(g *segment, sum *int64) {
	for i := range g.moves {
		if m := &g.moves[i]; m.action != bead && m.e != 0 {
			*sum += m.e
			c.totals.flow.cycles++
		}
	}
}

// loopFlow finds which column a loop is on by what it was given, and holds every bead to that.
func (c *checker) loopFlow(in, out *segment, p pairing, l *loop) {
	given, sliced := 0.0, 0.0
	for i := l.first; i <= l.last; i++ {
		if o := p.toOut[i]; o >= 0 {
			given += float64(out.moves[out.beads[o]].e)
			sliced += float64(in.moves[in.beads[i]].e)
		}
	}
	ratio := 1.0
	if sliced > 0 {
		ratio = given / sliced
	}
	factor := 1.0
	if l.hidden() {
		factor = c.nearestFactor(l, ratio)
		lineIn, lineOut := c.lines(in, out, p, int(l.first))
		c.opt.Each(LoopMeasure{
			InLine: lineIn, OutLine: lineOut, Layer: c.layer.number, Height: float64(c.layer.height) / 1000,
			Raised: float64(l.raised) / 1000, Flow: ratio,
		})
	}
	for i := int(l.first); i <= int(l.last); i++ {
		c.beadFlow(in, out, p, i, factor)
	}
}

// nearestFactor is the flow, of those that the loop's space allows, that is nearest to the one it has.
func (c *checker) nearestFactor(l *loop, ratio float64) float64 {
	at := c.layer
	if at.locked || !at.walls {
		return 1
	}
	best, distance := 0.0, math.Inf(1)
	try := func(f float64) {
		if d := math.Abs(f - ratio); d < distance {
			best, distance = f, d
		}
	}
	m := c.multiplier(at)
	if l.held(at) || !at.steady {
		try(1) // passed through
	}
	h, rise := float64(at.height), float64(l.steps)*c.step(at)
	if l.steps == 0 {
		try(m)
	}
	if h == 0 {
		return best
	}
	stands := false
	for _, s := range l.ofBelow {
		if s.part < 0.1 {
			continue
		}
		q := &at.below.loops[s.loop]
		stands = true
		try(m * (h + rise - float64(q.steps)*c.step(at.below)) / h)
	}
	if !stands {
		try(m * (h + rise) / h)
	}
	return best
}

func (c *checker) multiplier(l *layer) float64 {
	if c.opt.Multiplier != 0 {
		return c.opt.Multiplier
	}
	if l.height <= 0 {
		return 1
	}
	h := float64(l.height) / 1000
	s := spacing(c.opt.Width, h)
	return min(1+0.05*0.5*(h/s)/(0.2/0.4071), 2-h*(1-math.Pi/4)/s)
}

func (c *checker) beadFlow(in, out *segment, p pairing, i int, factor float64) {
	o := p.toOut[i]
	if o < 0 {
		return
	}
	a, b := &in.moves[in.beads[i]], &out.moves[out.beads[o]]
	want := factor * float64(a.e)
	c.report.checked("I9", 1)
	c.totals.flow.add(a, in.line+int(a.cmd), want, b.e)
	allowed := float64(c.rounding(2))
	if factor != 1 {
		allowed = 11
		if a.e >= 0.02*micro {
			allowed += 2e-4 * want
		}
	}
	off := math.Abs(float64(b.e) - want)
	c.totals.flow.worst = max(c.totals.flow.worst, off)
	if off > allowed {
		lineIn, lineOut := c.lines(in, out, p, i)
		c.report.add("I9", lineIn, lineOut, "bead gets %.5f mm of filament, its space takes %.5f (%.4f times %.5f)",
			float64(b.e)/micro, want/micro, factor, float64(a.e)/micro)
	}
}

// allowed is how far a sum over n stretches may be off: with absolute E each end of a stretch is rounded up or down.
func (t *flowTotals) allowed(n int) float64 {
	const allowed = 100
	if t.relative {
		return allowed
	}
	return allowed + 40*math.Sqrt(float64(n))
}

// finishFlow compares the sums.
func (c *checker) finishFlow() {
	t, r := &c.totals.flow, c.report
	for _, f := range t.features {
		r.checked("I10", 1)
		if off := math.Abs(f.output - f.expected); off > t.allowed(f.stretches) {
			r.add("I10", f.line, 0, "feature gets %.5f mm of filament, its beads take %.5f", f.output/micro,
				f.expected/micro)
		}
	}
	if off := math.Abs(t.output - t.expected); off > 100 {
		r.add("I10", 0, 0, "%.5f mm of filament are laid, the beads take %.5f", t.output/micro, t.expected/micro)
	}
	r.measured("I9", "worst bead %.6f mm off", t.worst/micro)
	r.measured("I10", "%.5f mm laid, %.5f expected", t.output/micro, t.expected/micro)
	r.checked("I11", 1)
	if off := math.Abs(float64(t.retractOut - t.retractIn)); off > t.allowed(t.cycles) {
		r.add("I11", 0, 0, "primes less retractions are %.5f mm, %.5f in the input", float64(t.retractOut)/micro,
			float64(t.retractIn)/micro)
	}
	r.measured("I11", "balance %.5f mm off", float64(t.retractOut-t.retractIn)/micro)
}
