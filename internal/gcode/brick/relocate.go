package brick

// Writing the loops of a contour in another order than they were read: see reorder.go.

import (
	"bytes"
	"sort"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// contourOrder writes the loops of a contour, flat ones first.
func (e *emitter) contourOrder(loops []loop) {
	l := e.l
	e.absolute = e.counts(&loops[0])
	e.said = [3]int{-1, -1, -1}
	e.say(0, e.pos)
	previous := -1 // the loop printed last
	for i := range loops {
		p := &loops[i]
		if p.rise > 0 {
			if i == 0 {
				e.moves(p.lead, p.first)
				e.copyTo(l.moves[p.first].off)
				e.arrive(p)
			} else {
				e.hopLead(p, false)
			}
			e.skip(p)
			continue
		}
		if i == previous+1 {
			e.approach(p)
			e.copyTo(l.moves[p.first].off)
			e.arrive(p)
		} else {
			e.hopLead(p, true)
		}
		e.print(p)
		previous = i
	}
	for _, p := range e.raisedOf(loops) {
		e.pos = l.moves[p.first].off
		if e.absolute {
			e.at = e.before(&l.moves[p.first])
			e.shift = e.counter - e.at
		}
		e.hop(p)
		e.silent = true
		e.print(p)
		e.silent = false
	}
	last := &l.moves[loops[len(loops)-1].last]
	e.pos = last.end
	if e.absolute {
		e.at = e.word(last)
		e.shift = e.counter - e.at
	}
	e.label(last.end)
	e.feedBack(last.f)
	e.displaced, e.drawn, e.unsure = true, 0, false
	e.inX, e.inY = last.x, last.y
}

// arrive notes that the lead of p was written as it is.
func (e *emitter) arrive(p *loop) {
	e.x, e.y = e.start(p)
	if p.first > 0 {
		e.feed = e.l.moves[p.first-1].f
	}
	if e.absolute {
		e.counter = e.before(&e.l.moves[p.first]) + e.shift
	}
	e.say(e.leadStart(p), e.l.moves[p.first].off)
}

// leadStart returns where the lead of p begins.
func (e *emitter) leadStart(p *loop) uint32 {
	if p.lead == 0 {
		return 0
	}
	return e.l.moves[p.lead-1].end
}

// print writes the beads of p at the place that was reached.
func (e *emitter) print(p *loop) {
	first, last := &e.l.moves[p.first], &e.l.moves[p.last]
	e.label(first.off)
	if !first.is(hasF) && p.first > 0 {
		e.feedBack(e.l.moves[p.first-1].f)
	}
	e.body(p)
	e.copyTo(last.end)
	e.say(first.off, last.end)
	e.x, e.y, e.feed = last.x, last.y, last.f
	if e.absolute {
		e.counter = e.word(last) + e.shift
	}
}

// word returns the value of the absolute E word of m in the input, before the one that stands before it.
func (e *emitter) word(m *move) int64 {
	at := m.off + uint32(m.eAt)
	v, _, _ := lex.ParseDecimal(e.l.text[at : at+uint32(m.eLen)])
	return v
}

func (e *emitter) before(m *move) int64 { return e.word(m) - int64(m.e) }

// skip leaves out the beads of p and what stands between them, apart from settings.
func (e *emitter) skip(p *loop) {
	for i := p.first; i <= p.last; i++ {
		e.at += int64(e.l.moves[i].e)
		e.shift -= int64(e.l.moves[i].e)
	}
	end := e.l.moves[p.last].end
	for i := e.noteBefore(e.pos) + 1; i < len(e.l.notes) && e.l.notes[i].off < end; i++ {
		if n := &e.l.notes[i]; n.kind == noteSetting {
			e.out = append(e.out, e.l.textOf(n)...)
		}
	}
	e.pos = end
}

// copySilent writes the text up to offset to without the settings, which were given where the loop was.
func (e *emitter) copySilent(to uint32) {
	for i := e.noteBefore(e.pos) + 1; i < len(e.l.notes) && e.l.notes[i].off < to; i++ {
		if n := &e.l.notes[i]; n.kind == noteSetting {
			e.out = append(e.out, e.l.text[e.pos:n.off]...)
			e.pos = n.end
		}
	}
}

// hopLead writes the lead of p without its moves, apart from those that set the feed rate, and travels to p if it is
// to be printed now.
func (e *emitter) hopLead(p *loop, now bool) {
	travel := p.first - 1
	for !e.l.moves[travel].is(hasXY) {
		travel--
	}
	x, y := e.l.moves[p.lead-1].x, e.l.moves[p.lead-1].y
	for i := p.lead; i < p.first; i++ {
		m := &e.l.moves[i]
		e.travel -= distance(x, y, m.x, m.y)
		x, y = m.x, m.y
		e.copyTo(m.off)
		e.at += int64(m.e)
		e.shift -= int64(m.e)
		switch {
		case i == travel && now:
			e.pos = m.off
			e.hop(p)
		case now && m.flags&(hasF|hasXY|hasZ|hasE) == hasF:
			e.copyTo(m.end)
			e.feed = m.f
		}
		e.pos = m.end
	}
	e.copyTo(e.l.moves[p.first].off)
	e.say(e.leadStart(p), e.l.moves[p.first].off)
}

// hop writes a travel from where the nozzle is to the start of p.
func (e *emitter) hop(p *loop) {
	x, y := e.start(p)
	length := distance(e.x, e.y, x, y)
	retract := length > e.travelRetract
	if retract {
		e.pullBy(-e.pull.length, e.pull.feed)
	}
	e.out = append(e.out, "G1 X"...)
	e.out = lex.AppendDecimal(e.out, int64(x), 6, false)
	e.out = append(e.out, " Y"...)
	e.out = lex.AppendDecimal(e.out, int64(y), 6, false)
	travel := p.first - 1
	for travel > p.lead && !e.l.moves[travel].is(hasXY) {
		travel--
	}
	if f := e.l.moves[travel].f; f > 0 {
		e.out = append(e.out, " F"...)
		e.out = lex.AppendDecimal(e.out, int64(f)*1000, 3, false)
		e.feed = f
	}
	target, stamp := e.climb.target(e.l, p), StampDown
	if p.rise > 0 {
		stamp = StampUp
	}
	if e.lift != target-p.plane || p.rise > 0 {
		e.out = append(e.out, " Z"...)
		e.out = lex.AppendDecimal(e.out, int64(target), 3, false)
		e.out = append(append(e.out, ' '), stamp...)
		e.lift = target - p.plane
	}
	e.out = append(e.out, e.eol...)
	if retract {
		e.pullBy(e.pull.length, e.pull.primeFeed)
	}
	e.travel += length
	e.x, e.y = x, y
	e.edits++
}

// pullBy writes a line that moves the filament alone.
func (e *emitter) pullBy(length int64, feed int32) {
	v := length
	if e.absolute {
		e.counter += length
		v = e.counter
	}
	e.out = append(e.out, "G1 E"...)
	e.out = lex.AppendDecimal(e.out, v, 5, false)
	e.out = append(e.out, " F"...)
	e.out = lex.AppendDecimal(e.out, int64(feed)*1000, 3, false)
	e.out = append(e.out, e.eol...)
	e.feed = feed
	e.addedLine()
}

// feedBack writes a line that sets the feed rate, if it is another one.
func (e *emitter) feedBack(feed int32) {
	if feed == e.feed || feed == 0 {
		return
	}
	e.out = append(e.out, "G1 F"...)
	e.out = lex.AppendDecimal(e.out, int64(feed)*1000, 3, false)
	e.out = append(e.out, e.eol...)
	e.feed = feed
	e.addedLine()
}

// returnTo passes on move i, the first ones after a contour that was left from another place than in the input: what
// wipes along the last loop there only retracts, and a travel ends where it did.
func (e *emitter) returnTo(i int32) {
	m := &e.l.moves[i]
	if !m.is(hasE) {
		e.leave(m, func() {})
		return
	}
	text := e.l.text[m.off:m.end]
	var line lex.Line
	line.Parse(text)
	e.copyTo(m.off)
	v := int64(m.e)
	if m.is(absoluteE) {
		v = e.at + e.shift
	}
	e.out = append(e.out, "G1 E"...)
	e.out = lex.AppendDecimal(e.out, v, 5, false)
	if m.is(hasF) {
		e.out = append(e.out, " F"...)
		e.out = lex.AppendDecimal(e.out, line.F, 3, false)
	}
	e.pos = m.off + uint32(line.End)
	e.edits++
	e.travel -= distance(e.inX, e.inY, m.x, m.y)
	e.inX, e.inY = m.x, m.y
}

// leave passes on the travel m, which leaves a contour from another place than in the input and ends where it did. The
// line itself is written by write. Where it has become so long that the file would retract for it, filament is drawn
// back meanwhile.
func (e *emitter) leave(m *move, write func()) {
	length, was := distance(e.x, e.y, m.x, m.y), distance(e.inX, e.inY, m.x, m.y)
	e.displaced = false
	e.travel += length - was
	if length <= e.travelRetract || was > e.travelRetract || e.drawn < 0 || e.unsure || m.is(afterRetract) ||
		e.pull.length == 0 {
		write()
		return
	}
	e.copyTo(m.off)
	e.counter = e.at + e.shift
	e.pullBy(-e.pull.length, e.pull.feed)
	if !m.is(hasF) {
		e.feedBack(m.f)
	}
	write()
	e.copyTo(m.end)
	e.pullBy(e.pull.length, e.pull.primeFeed)
	e.feedBack(m.f)
}

// say notes which labels were written with the text between a and b.
func (e *emitter) say(a, b uint32) {
	for i := e.noteBefore(b); i >= 0 && e.l.notes[i].off >= a; i-- {
		if n := &e.l.notes[i]; n.kind != noteSetting && e.said[n.kind-dialect.Feature] < i {
			e.said[n.kind-dialect.Feature] = i
		}
	}
}

// noteBefore returns the last label before off, or -1.
func (e *emitter) noteBefore(off uint32) int {
	return sort.Search(len(e.l.notes), func(i int) bool { return e.l.notes[i].off >= off }) - 1
}

// label says again what the beads at off of the input are, as far as the output said something else since.
func (e *emitter) label(off uint32) {
	var found [3]bool
	for i := e.noteBefore(off); i >= 0 && !(found[0] && found[1] && found[2]); i-- {
		n := &e.l.notes[i]
		k := n.kind - dialect.Feature
		if n.kind == noteSetting || found[k] {
			continue
		}
		found[k] = true
		if said := e.said[k]; said != i && (said < 0 || !bytes.Equal(e.l.textOf(n), e.l.textOf(&e.l.notes[said]))) {
			e.out = append(e.out, e.l.textOf(n)...)
			e.addedLine()
		}
		e.said[k] = i
	}
}

func (l *layer) textOf(n *labelNote) []byte { return l.text[n.off:n.end] }
