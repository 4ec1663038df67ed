package check

import "bytes"

// alignAround compares the lines of two segments when the loops of a contour may be printed in another order: the lines
// of beads one by one, the commands as a whole, and what stands between beads that are no wall line by line.
func (c *checker) alignAround(in, out *segment) {
	c.sameCommands(in, out)
	c.sameBeadLines(in, out)
	a, b := between(in), between(out)
	for i := 0; i < len(a) && i < len(b); i++ {
		textA, textB := in.lineText(a[i]), out.lineText(b[i])
		if !alike(textA, textB) {
			c.report.add("I24", in.line+a[i], out.line+b[i], "%q became %q", textA, textB)
			return
		}
		c.report.checked("I24", 1)
	}
	if len(a) != len(b) {
		c.report.add("I24", in.line, out.line, "%d lines away from walls, in the input %d", len(b), len(a))
	}
}

// sameCommands sees that each command that is no motion is there as often as in the input, and that G92 is in place.
func (c *checker) sameCommands(in, out *segment) {
	count := map[string]int{}
	for i := range in.commands {
		if k := in.commands[i].kind; k == other || k == origin {
			count[string(in.lineText(i))]++
			c.report.checked("I14", 1)
		}
	}
	for i := range out.commands {
		if k := out.commands[i].kind; k == other || k == origin {
			text := string(out.lineText(i))
			if count[text]--; count[text] < 0 {
				c.report.add("I14", 0, out.line+i, "added %q", text)
			}
		}
	}
	for text, n := range count {
		for range max(0, n) {
			c.report.add("I14", in.line, out.line, "lost %q", text)
		}
	}
	a, b := origins(in), origins(out)
	for i := 0; i < len(a) && i < len(b); i++ {
		c.report.checked("I13", 1)
		if a[i] != b[i] {
			c.report.add("I13", in.line, out.line, "G92 stands after %d beads of the layer, in the input after %d", b[i], a[i])
		}
	}
}

// origins says after how many beads the G92 lines of a segment stand.
func origins(g *segment) []int {
	var after []int
	next := 0
	for i := range g.commands {
		for next < len(g.beads) && int(g.moves[g.beads[next]].cmd) < i {
			next++
		}
		if g.commands[i].kind == origin {
			after = append(after, next)
		}
	}
	return after
}

func (c *checker) sameBeadLines(in, out *segment) {
	p := c.paired
	for o, i := range p.toIn {
		if i < 0 {
			continue
		}
		a := &cursor{g: in, at: int(in.moves[in.beads[i]].cmd)}
		b := &cursor{g: out, at: int(out.moves[out.beads[o]].cmd)}
		c.measureLines(a, b)
		if bytes.Equal(a.g.full(a.at), b.g.full(b.at)) {
			continue
		}
		c.totals.change(b.line())
		if d, ok := readEdit(a.text(), b.text()); ok {
			c.checkEdit(a, b, d)
		} else {
			c.report.add("I24", a.line(), b.line(), "%q became %q", a.text(), b.text())
		}
	}
}

// between lists the lines that have beads before and after them in the segment, none of which is of a wall.
func between(g *segment) []int {
	var lines []int
	for n := 1; n < len(g.beads); n++ {
		a, b := &g.moves[g.beads[n-1]], &g.moves[g.beads[n]]
		if a.class.wall() || b.class.wall() {
			continue
		}
		for i := int(a.cmd) + 1; i <= int(b.cmd); i++ {
			lines = append(lines, i)
		}
	}
	return lines
}
