package check

import "bytes"

// checkIdentical sees that what must stay as it is has the same bytes. Where filament is counted from the start, words
// of E behind scaled beads cannot be the same; then only they may differ, and their lengths are compared as filament.
func (c *checker) checkIdentical(in, out *segment) {
	if l := c.layer; l.marked && !l.locked && !in.negative {
		return
	}
	r := c.report
	r.checked("I4", len(in.commands))
	shift := 0
	for i := range in.commands {
		if i+shift >= len(out.commands) {
			r.add("I4", in.line+i, out.line, "lost %q", in.lineText(i))
			return
		}
		if shift == 0 && c.isHeader(in, out, i) {
			shift = 1
			if c.opt.Order == Contour { // align counts it otherwise
				c.totals.lines.headers++
			}
			if len(out.commands) == i+1 {
				continue
			}
		}
		a, b := in.full(i), out.full(i+shift)
		if bytes.Equal(a, b) {
			continue
		}
		d, ok := readEdit(in.lineText(i), out.lineText(i+shift))
		if !ok || d.z || c.in.machine.relativeE {
			r.add("I4", in.line+i, out.line+i+shift, "%q became %q", a, b)
			return
		}
	}
	if n := len(out.commands) - len(in.commands) - shift; n > 0 {
		r.add("I4", in.line, out.line, "%d lines were added", n)
	}
}

// isHeader says whether line i of the output is the one that was added to tell what was done.
func (c *checker) isHeader(in, out *segment, i int) bool {
	return out.line+i <= 2 && out.commands[i].kind == comment && !bytes.Equal(in.full(i), out.full(i))
}

// checkStamps sees that the stamps tell the truth: a raised loop has one that says so between the bead before it and
// its first, nothing else has.
func (c *checker) checkStamps(in, out *segment, p pairing) {
	l := c.layer
	starts := map[int32]*loop{} // raised loops by the output bead they begin with
	for i := range l.loops {
		if q := &l.loops[i]; q.raised > 0 && p.toOut[q.first] >= 0 {
			starts[p.toOut[q.first]] = q
		}
	}
	line := 0
	for o := range out.beads {
		end := int(out.moves[out.beads[o]].cmd)
		c.stamps.count(out, line, end, c.opt)
		line = max(line, end)
		c.judgeStamps(starts[int32(o)], out.line+end)
	}
	// Some slicers travel to a layer before they say that it begins, so these may belong to the next segment's bead.
	c.stamps.count(out, line, len(out.commands), c.opt)
}

// judgeStamps holds the stamps since the last bead against the next one, which begins the raised loop q, or none.
func (c *checker) judgeStamps(q *loop, line int) {
	r, s := c.report, c.stamps
	c.stamps = stamps{}
	switch {
	case q != nil:
		r.checked("I16", 1)
		if s.up != 1 {
			r.add("I16", q.line, line, "raised loop has %d stamps before its first bead", s.up)
		}
	case s.up > 0:
		r.add("I16", 0, s.line, "a stamp says raised, but the next bead is not")
	}
	if s.down > 1 {
		r.add("I16", 0, s.line, "%d stamps say lowered before one bead", s.down)
	}
}

// stamps are what was read between two beads.
type stamps struct {
	up, down int
	line     int // of the output, where the last of them stands
}

func (s *stamps) count(g *segment, from, to int, opt Options) {
	for i := from; i < to; i++ {
		text := g.lineText(i)
		if len(text) < len(opt.Up) || g.commands[i].kind != motion {
			continue
		}
		switch {
		case bytes.HasSuffix(text, []byte(opt.Up)):
			s.up++
		case bytes.HasSuffix(text, []byte(opt.Down)):
			s.down++
		default:
			continue
		}
		s.line = g.line + i
	}
}
