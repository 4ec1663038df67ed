package check

// pairing says which output bead is which input bead; -1 is none.
type pairing struct {
	toOut []int32 // by input bead
	toIn  []int32 // by output bead
}

// key is what makes two beads the same.
type key struct {
	code           uint8
	label          uint32
	x0, y0, x1, y1 int32
	i, j           int32
}

func (m *move) key() key {
	k := key{code: max(m.code, 1), label: m.label, x0: m.x0, y0: m.y0, x1: m.x1, y1: m.y1}
	if m.code >= 2 {
		k.i, k.j = m.i, m.j
	}
	return k
}

// matchBeads pairs the beads of two segments: in order as long as they agree, and where they do not, by what they are.
func (c *checker) matchBeads(in, out *segment) pairing {
	p := pairing{make([]int32, len(in.beads)), make([]int32, len(out.beads))}
	keyIn := func(i int) key { return in.moves[in.beads[i]].key() }
	keyOut := func(i int) key { return out.moves[out.beads[i]].key() }
	from, ends := 0, min(len(in.beads), len(out.beads))
	for from < ends && keyIn(from) == keyOut(from) {
		p.toOut[from], p.toIn[from] = int32(from), int32(from)
		from++
	}
	tail := 0
	for tail < ends-from && keyIn(len(in.beads)-1-tail) == keyOut(len(out.beads)-1-tail) {
		tail++
		i, o := len(in.beads)-tail, len(out.beads)-tail
		p.toOut[i], p.toIn[o] = int32(o), int32(i)
	}
	waiting := map[key][]int32{}
	for i := from; i < len(in.beads)-tail; i++ {
		waiting[keyIn(i)] = append(waiting[keyIn(i)], int32(i))
		p.toOut[i] = -1
	}
	for o := from; o < len(out.beads)-tail; o++ {
		k := keyOut(o)
		p.toIn[o] = -1
		if q := waiting[k]; len(q) > 0 {
			p.toIn[o], p.toOut[q[0]] = q[0], int32(o)
			waiting[k] = q[1:]
		}
	}
	c.checkBeads(in, out, p)
	c.checkOrder(in, out, p)
	return p
}

func (c *checker) checkBeads(in, out *segment, p pairing) {
	r := c.report
	r.checked("I2", len(in.beads))
	r.checked("I26", len(out.moves))
	dabs := 0
	for i := range in.moves {
		if in.moves[i].action == dab {
			dabs++
		}
	}
	for i := range out.moves {
		if m := &out.moves[i]; m.action == dab {
			if dabs--; dabs < 0 {
				r.add("I26", 0, out.line+int(m.cmd), "filament is pushed out in one place: %q", out.lineText(int(m.cmd)))
			}
		}
	}
	for i, o := range p.toOut {
		m := &in.moves[in.beads[i]]
		if o < 0 {
			r.add("I2", in.line+int(m.cmd), 0, "lost bead %q", in.lineText(int(m.cmd)))
		}
	}
	drift := int64(0)
	for o, i := range p.toIn {
		b := &out.moves[out.beads[o]]
		if i < 0 {
			r.add("I2", 0, out.line+int(b.cmd), "bead that is not in the input: %q", out.lineText(int(b.cmd)))
			continue
		}
		c.checkBead(in, out, &in.moves[in.beads[i]], b, &drift)
	}
}

// checkBead compares one bead with itself. Drift is how much more filament was back at the bead before than in the
// input: with absolute E each cycle may round to either side.
func (c *checker) checkBead(in, out *segment, a, b *move, drift *int64) {
	r := c.report
	lineIn, lineOut := in.line+int(a.cmd), out.line+int(b.cmd)
	r.checked("I12", 1)
	d := b.pulled - a.pulled
	if off := d - *drift; abs(off) > c.rounding(2) {
		r.add("I12", lineIn, lineOut, "bead begins with %.5f mm pulled back, %.5f in the input", float64(b.pulled)/micro,
			float64(a.pulled)/micro)
	}
	*drift = d
	if !c.in.machine.relativeE {
		r.checked("I13", 1)
	}
	if a.class == visible {
		r.checked("I1", 1)
		switch {
		case a.z != b.z || a.z0 != b.z0:
			r.add("I1", lineIn, lineOut, "visible wall at Z %s, sliced at %s", mm(b.z), mm(a.z))
		case abs(a.e-b.e) > c.rounding(2):
			r.add("I1", lineIn, lineOut, "visible wall gets %.5f mm of filament, sliced with %.5f", float64(b.e)/micro,
				float64(a.e)/micro)
		case a.f != b.f:
			r.add("I1", lineIn, lineOut, "visible wall at F%d, sliced at F%d", b.f/micro, a.f/micro)
		}
	} else if a.f != b.f {
		r.add("I24", lineIn, lineOut, "bead at F%d, sliced at F%d", b.f/micro, a.f/micro)
	}
}

// rounding is how much n numbers of five decimals may be off together. Relative words that are not changed are exact.
func (c *checker) rounding(n int64) int64 {
	if c.in.machine.relativeE {
		return 0
	}
	return 5*n + n
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

// checkOrder sees that beads are in their places, or inside a contour.
func (c *checker) checkOrder(in, out *segment, p pairing) {
	r := c.report
	r.checked("I3", len(out.beads))
	if len(in.beads) != len(out.beads) {
		return // lost and added beads are counted already
	}
	var loopOf []int32
	if c.opt.Order == Contour {
		loopOf = c.loopsOfBeads(len(in.beads))
	}
	for o, i := range p.toIn {
		if int(i) == o || i < 0 {
			continue
		}
		m, b := &in.moves[in.beads[i]], &out.moves[out.beads[o]]
		lineIn, lineOut := in.line+int(m.cmd), out.line+int(b.cmd)
		if c.opt.Order == Slicer {
			r.add("I3", lineIn, lineOut, "bead %d of the layer is printed as number %d", i+1, o+1)
			continue
		}
		here, there := loopOf[o], loopOf[i]
		switch {
		case here < 0 || there < 0 || !c.layer.loops[here].together(&c.layer.loops[there]):
			r.add("I3", lineIn, lineOut, "bead has left its contour")
		case i > c.layer.loops[there].first && p.toIn[max(o-1, 0)] != i-1:
			r.add("I3", lineIn, lineOut, "bead does not follow the one before it in its loop")
		}
	}
}

// together says whether two loops may be taken for one contour.
func (p *loop) together(q *loop) bool { return p.contour == q.contour || p.walked == q.walked }

// loopsOfBeads says which loop each bead is in, -1 for none.
func (c *checker) loopsOfBeads(n int) []int32 {
	of := make([]int32, n)
	for i := range of {
		of[i] = -1
	}
	for k := range c.layer.loops {
		for b := c.layer.loops[k].first; b <= c.layer.loops[k].last; b++ {
			of[b] = int32(k)
		}
	}
	return of
}
