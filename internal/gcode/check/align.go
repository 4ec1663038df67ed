package check

import "bytes"

// lineTotals count lines of the whole file.
type lineTotals struct {
	headers  int
	zMoves   int // added lines that move only Z
	needless int // of these, where a travel could have carried the height
	feeds    int // added lines that only set the feed rate
	longest  int // bytes of the longest input line
	tooLong  int // bytes of the longest output line that is longer
	tooLongL int
}

// lookAhead is how far lines are searched for when the two files part.
const lookAhead = 200

// cursor walks the lines of a segment, and its moves along with them.
type cursor struct {
	g    *segment
	at   int // line
	move int // first move on this line or a later one
}

func (k *cursor) more() bool { return k.at < len(k.g.commands) }

func (k *cursor) line() int { return k.g.line + k.at }

func (k *cursor) text() []byte { return k.g.lineText(k.at) }

func (k *cursor) command() *command { return &k.g.commands[k.at] }

// moved returns the move of the line, if it does something.
func (k *cursor) moved() *move {
	for k.move < len(k.g.moves) && int(k.g.moves[k.move].cmd) < k.at {
		k.move++
	}
	if k.move < len(k.g.moves) && int(k.g.moves[k.move].cmd) == k.at {
		return &k.g.moves[k.move]
	}
	return nil
}

// align walks both segments line by line, as nothing moves in slicer order.
func (c *checker) align(in, out *segment) {
	a, b := &cursor{g: in}, &cursor{g: out}
	for a.more() && b.more() {
		if c.sameLine(a, b) {
			c.measureLines(a, b)
			a.at++
			b.at++
			continue
		}
		added, dropped := part(a, b)
		switch {
		case added > 0:
			for range added {
				c.addedLine(a, b)
			}
		case dropped > 0:
			for range dropped {
				c.droppedLine(a)
			}
		default:
			c.report.add("I24", a.line(), b.line(), "%q became %q", a.text(), b.text())
			a.at++
			b.at++
		}
	}
	for b.more() {
		c.addedLine(a, b)
	}
	for a.more() {
		c.droppedLine(a)
	}
}

func (c *checker) measureLines(a, b *cursor) {
	t := &c.totals.lines
	t.longest = max(t.longest, len(a.text()))
	if n := len(b.text()); n > t.tooLong {
		t.tooLong, t.tooLongL = n, b.line()
	}
}

// part finds how many lines were added to the output, or dropped from the input, where they part.
func part(a, b *cursor) (added, dropped int) {
	for n := 1; n <= lookAhead; n++ {
		if b.at+n < len(b.g.commands) && alike(a.text(), b.g.lineText(b.at+n)) {
			return n, 0
		}
		if a.at+n < len(a.g.commands) && alike(a.g.lineText(a.at+n), b.text()) {
			return 0, n
		}
	}
	return 0, 0
}

func alike(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 || a[0] != b[0] {
		return false
	}
	d, ok := readEdit(a, b)
	return ok && (d.e || d.z)
}

// sameLine compares two lines that are the same one, and says whether they are.
func (c *checker) sameLine(a, b *cursor) bool {
	ca, cb := a.command(), b.command()
	equal := bytes.Equal(a.g.full(a.at), b.g.full(b.at))
	var d edit
	if !equal {
		var ok bool
		if ca.kind != motion || cb.kind != motion {
			return c.sameButEnding(a, b)
		}
		if d, ok = readEdit(a.text(), b.text()); !ok {
			return false
		}
		c.totals.change(b.line())
		c.checkEdit(a, b, d)
	}
	c.report.checked("I24", 1)
	switch ca.kind {
	case other:
		c.report.checked("I14", 1)
	case origin:
		c.report.checked("I13", 1)
	case motion:
		c.checkMotion(a, b)
	}
	return true
}

func (t *totals) change(line int) {
	if t.changed == 0 {
		t.changedAt = line
	}
	t.changed++
}

// sameButEnding says whether two lines that are no motion differ in nothing but how they end, which they must not.
func (c *checker) sameButEnding(a, b *cursor) bool {
	if !bytes.Equal(a.text(), b.text()) {
		return false
	}
	c.totals.change(b.line())
	c.report.add("I24", a.line(), b.line(), "the line ends differently")
	return true
}

func (c *checker) checkEdit(a, b *cursor, d edit) {
	r := c.report
	r.checked("I25", 1)
	endA, endB := a.g.full(a.at)[len(a.text()):], b.g.full(b.at)[len(b.text()):]
	switch {
	case !bytes.Equal(endA, endB):
		r.add("I24", a.line(), b.line(), "the line ends differently")
	case d.bad != "":
		r.add("I25", a.line(), b.line(), "a number of %q %s", b.text(), d.bad)
	case d.z && a.command().with(wordE):
		r.add("I24", a.line(), b.line(), "the height of a line with E was changed: %q", b.text())
	case d.z && a.command().code > 1:
		r.add("I24", a.line(), b.line(), "the height of an arc was changed: %q", b.text())
	}
}

// checkMotion compares what two motion lines that are the same one do. Beads are compared elsewhere.
func (c *checker) checkMotion(a, b *cursor) {
	ma, mb := a.moved(), b.moved()
	r := c.report
	if ma == nil && mb != nil && mb.e != 0 {
		r.add("I11", a.line(), b.line(), "moves %.5f mm of filament, in the input none", float64(mb.e)/micro)
	}
	if ma == nil || mb == nil || ma.action == bead {
		return
	}
	if ma.f != mb.f {
		r.add("I24", a.line(), b.line(), "move at F%d, in the input F%d", mb.f/micro, ma.f/micro)
	}
	if ma.e != 0 || mb.e != 0 {
		r.checked("I11", 1)
		if abs(ma.e-mb.e) > c.rounding(2) {
			r.add("I11", a.line(), b.line(), "moves %.5f mm of filament, in the input %.5f", float64(mb.e)/micro,
				float64(ma.e)/micro)
		}
	}
	if l := c.layer; l.walls {
		if mb.z < min(ma.z, l.floor) {
			r.add("I6", a.line(), b.line(), "move to Z %s, in the input %s", mm(mb.z), mm(ma.z))
		}
	} else if mb.z < ma.z {
		r.add("I6", a.line(), b.line(), "move to Z %s, in the input %s", mm(mb.z), mm(ma.z))
	}
}

// addedLine judges a line of the output that stands before line a of the input but is not in it.
func (c *checker) addedLine(a, b *cursor) {
	t, r := &c.totals.lines, c.report
	k, text := b.command(), b.text()
	c.totals.change(b.line())
	switch {
	case k.kind == comment && t.headers == 0 && b.line() <= 2:
		t.headers++
	case k.kind == motion && k.code <= 1 && k.has&^(1<<wordZ|1<<wordF) == 0 && k.has != 0:
		if k.with(wordZ) {
			t.zMoves++
			if carried(a, micrometres(k.value[wordZ])) {
				t.needless++
			}
		} else {
			t.feeds++
		}
		r.checked("I25", 1)
		if why := checkNumbers(text); why != "" {
			r.add("I25", 0, b.line(), "a number of %q %s", text, why)
		}
	case k.kind == origin:
		r.add("I13", 0, b.line(), "added %q", text)
	case k.kind == other:
		r.add("I14", 0, b.line(), "added %q", text)
	default:
		r.add("I15", 0, b.line(), "added %q", text)
	}
	b.at++
}

// carried says whether a line between the bead before a and a could have taken the nozzle to height z.
func carried(a *cursor, z int32) bool {
	a.moved()
	for i := a.move - 1; i >= 0; i-- {
		m := &a.g.moves[i]
		switch {
		case m.action == bead || m.relative:
			return false
		case m.code <= 1 && m.e == 0 && m.z <= z:
			return true
		case m.climbs:
			return false
		}
	}
	return false
}

func (c *checker) droppedLine(a *cursor) {
	id := "I24"
	switch a.command().kind {
	case other:
		id = "I14"
	case origin:
		id = "I13"
	}
	c.report.add(id, a.line(), 0, "lost %q", a.text())
	a.at++
}

// finishLines judges how many lines were added.
func (c *checker) finishLines() {
	t, r := &c.totals.lines, c.report
	r.checked("I15", 1)
	r.measured("I15", "%d header, %d moves of Z, %d of them needless, and %d feed rates added for %d raised loops",
		t.headers, t.zMoves, t.needless, t.feeds, c.totals.raised)
	if t.needless*100 > c.totals.raised {
		r.add("I15", 0, 0, "%d moves of Z were added for %d raised loops though travels could carry the heights", t.needless,
			c.totals.raised)
	}
	if t.feeds > t.zMoves {
		r.add("I15", 0, 0, "%d feed rates were set but only %d moves of Z added", t.feeds, t.zMoves)
	}
	if t.tooLong > t.longest+40 {
		r.add("I24", 0, t.tooLongL, "a line of %d bytes; the longest of the input has %d", t.tooLong, t.longest)
	}
}
