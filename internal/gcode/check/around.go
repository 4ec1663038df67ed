package check

import "bytes"

// alignAround compares the lines of two segments when the loops of a contour may be printed in another order: the lines
// of beads one by one, the commands as a whole, and what stands between beads that are no wall line by line.
func (c *checker) alignAround(in, out *segment, p pairing) {
	c.sameCommands(in, out)
	c.sameBeadLines(in, out, p)
	c.newLines(in, out)
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

// sameCommands sees that all commands that are no motion are there, in their order.
func (c *checker) sameCommands(in, out *segment) {
	a, b := commands(in), commands(out)
	for i := 0; i < len(a) && i < len(b); i++ {
		c.report.checked("I14", 1)
		if textA, textB := in.lineText(a[i]), out.lineText(b[i]); !bytes.Equal(textA, textB) {
			c.report.add("I14", in.line+a[i], out.line+b[i], "%q where the input has %q", textB, textA)
			break
		}
	}
	if len(a) != len(b) {
		c.report.add("I14", in.line, out.line, "%d commands on the layer, %d in the input", len(b), len(a))
	}
	fromA, fromB := origins(in), origins(out)
	for i := 0; i < len(fromA) && i < len(fromB); i++ {
		c.report.checked("I13", 1)
		if fromA[i] != fromB[i] {
			c.report.add("I13", in.line, out.line, "G92 stands after %d beads of the layer, in the input after %d", fromB[i],
				fromA[i])
		}
	}
}

// commands lists the lines that are commands but no motion.
func commands(g *segment) []int {
	var lines []int
	for i := range g.commands {
		if k := g.commands[i].kind; k == other || k == origin {
			lines = append(lines, i)
		}
	}
	return lines
}

// newLines judges the motion lines that are not in the input: how their numbers are printed and how low they go.
func (c *checker) newLines(in, out *segment) {
	known := map[string]bool{}
	for i := range in.commands {
		if in.commands[i].kind == motion {
			known[string(in.lineText(i))] = true
		}
	}
	beads := map[int32]bool{}
	for _, b := range out.beads {
		beads[out.moves[b].cmd] = true
	}
	for i := range out.commands {
		text := out.lineText(i)
		if out.commands[i].kind != motion || beads[int32(i)] || known[string(text)] {
			continue
		}
		c.report.checked("I25", 1)
		if why := checkNumbers(text); why != "" {
			c.report.add("I25", 0, out.line+i, "a number of %q %s", text, why)
		}
	}
	low := int32(1 << 30)
	for i := range in.moves {
		low = min(low, in.moves[i].z)
	}
	for i := range out.moves {
		if m := &out.moves[i]; m.z < low {
			c.report.add("I6", 0, out.line+int(m.cmd), "move to Z %s, the lowest of the layer is %s", mm(m.z), mm(low))
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

func (c *checker) sameBeadLines(in, out *segment, p pairing) {
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
