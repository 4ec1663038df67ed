package brick

// Writing the output. Everything is copied byte for byte, except for three kinds of line:
//
//	G1 X10 Y10 F9000             the last travel before a raised loop takes the nozzle up on the way,
//	G1 X10 Y10 F9000 Z0.7 ; brick up
//	G1 X20 Y10 E.41252           a bead of an inner wall gets its share of plastic,
//	G1 X20 Y10 E.43315
//	G1 X30 Y30 F9000             and a travel away from a raised loop takes it down again, unless a line of the
//	G1 X30 Y30 F9000 Z.6 ; brick down     slicer's own does, such as the end of a Z hop.
//
// Where no travel can carry the height, a line that moves Z and one that restores the feed rate are added. With
// absolute extrusion every E word behind a changed one moves along until G92 sets the origin anew.

import "bricklayers.dev/bricklayers/internal/gcode/lex"

const (
	one          = 1_000_000_000 // a factor of 1 in billionths
	eStep        = 10            // the last decimal of an E word, 1e-5 mm, in nm
	defaultZFeed = 720_000       // 720 mm/min, in 1/1000
)

// emitter turns decided layers into text.
type emitter struct {
	climb   climb
	stats   *Stats
	eol     []byte
	at      int64 // position of the filament in the input
	shift   int64 // the same in the output, less that
	residue int64 // plastic not yet given because of rounding, in billionths of a nanometre
	lift    int32 // output Z less input Z
	zFeed   int32 // slowest feed rate of a pure Z move

	l     *layer
	out   []byte // the text of the layer as far as it is written
	pos   uint32 // in l.text; what is before it is written
	edits int    // lines of the layer that were edited or added

	mover // for the order "contour"
}

// layer writes a decided layer to e.out. The moves that follow it in the file are those of follow.
func (e *emitter) layer(l *layer, follow []move) {
	e.l, e.pos, e.out, e.edits, e.follow = l, 0, e.out[:0], 0, follow
	if e.eol == nil {
		e.eol = eolOf(l.text)
	}
	next := int32(0)
	for i := 0; i < len(l.loops); {
		p := &l.loops[i]
		e.moves(next, p.lead)
		if loops, ok := e.contourAt(i); ok {
			e.contourOrder(loops)
			i += len(loops)
		} else {
			e.approach(p)
			e.body(p)
			i++
		}
		next = l.loops[i-1].last + 1
	}
	e.moves(next, int32(len(l.moves)))
	e.copyTo(uint32(len(l.text)))
	e.stats.LinesEdited += e.edits
}

// body passes on the beads of p and what stands between them.
func (e *emitter) body(p *loop) {
	if p.inner() && p.factor != one && p.factor != 0 {
		e.scale(p)
	} else {
		e.moves(p.first, p.last+1)
	}
}

// moves passes on the moves from a to before b, which keep their plastic and their height.
func (e *emitter) moves(a, b int32) {
	for i := a; i < b; i++ {
		m := &e.l.moves[i]
		e.at += int64(m.e)
		if m.flags&(hasZ|absoluteE|setsE|setsXYZ) == 0 && !e.displaced {
			continue
		}
		if e.displaced {
			e.drawn += int64(m.e)
			e.unsure = e.unsure || m.is(afterRetract)
		}
		if m.is(setsXYZ) && e.lift != 0 { // or the new origin would be as far off
			e.addMove(i, m.z, StampDown)
			e.lift = 0
		}
		if m.is(hasZ) && !m.is(relative) {
			e.lift = 0
			if m.flags&(linear|hasXY) == linear && m.f > 0 && !e.l.preamble && (e.zFeed == 0 || m.f < e.zFeed) {
				e.zFeed = m.f
			}
		}
		switch {
		case e.displaced && m.is(hasXY):
			e.returnTo(i)
		case m.is(setsE):
			e.shift, e.at = 0, e.l.arcs[m.arc].i
		case e.shift != 0 && m.is(absoluteE):
			e.writeE(m, 0)
		}
	}
}

// scale passes on the moves of loop p, whose beads get more or less plastic. The residue of rounding goes into the
// next bead, so that the sum is right to the last decimal.
func (e *emitter) scale(p *loop) {
	for i := p.first; i <= p.last; i++ {
		m := &e.l.moves[i]
		if !m.is(isBead) {
			e.moves(i, i+1)
			continue
		}
		e.at += int64(m.e)
		exact := int64(m.e)*p.factor + e.residue
		given := (exact + one*eStep/2) / (one * eStep) * eStep
		if least := min(eStep, int64(m.e)); given < least { // a bead stays a bead
			given = least
		}
		e.residue = exact - given*one
		e.stats.out[m.region] += given - int64(m.e)
		e.shift += given - int64(m.e)
		switch {
		case m.is(absoluteE) && e.shift != 0:
			e.writeE(m, 0)
		case !m.is(absoluteE) && given != int64(m.e):
			e.writeE(m, given)
		}
	}
}

// writeE rewrites the E word of m: to the length given, or for an absolute word to what it was plus the shift.
func (e *emitter) writeE(m *move, given int64) {
	at := m.off + uint32(m.eAt)
	digits := e.l.text[at : at+uint32(m.eLen)]
	if m.is(absoluteE) {
		given = e.at + e.shift
	}
	e.edits++
	e.copyTo(at)
	e.out = lex.AppendDecimal(e.out, given, eDecimals(m, given), isBare(digits))
	e.pos = at + uint32(m.eLen)
}

// eDecimals returns how many decimals an E word of value v is written with: five, as slicers do, unless a sixth in the
// input has to go along because lengths would change without it.
func eDecimals(m *move, v int64) int {
	if m.is(absoluteE) && v%eStep != 0 {
		return 6
	}
	return 5
}

// approach passes on the lead of p such that its first bead is laid at the right height.
func (e *emitter) approach(p *loop) {
	l := e.l
	first := &l.moves[p.first]
	if e.reorders {
		for i := p.lead; i < p.first; i++ {
			e.pull.see(&l.moves[i])
		}
	}
	if first.is(unknownZ) { // homed since; there is no height to be at
		e.moves(p.lead, p.first)
		e.lift = 0
		return
	}
	target := e.climb.target(l, p)
	stamp := StampDown
	if p.rise > 0 {
		stamp = StampUp
	}
	if p.rise == 0 && e.liftAfter(p) == 0 {
		e.moves(p.lead, p.first)
		return
	}
	carrier := e.carrier(p, target)
	if carrier >= 0 {
		e.moves(p.lead, carrier)
		e.carry(&l.moves[carrier], target, stamp)
		e.moves(carrier+1, p.first)
	} else {
		e.moves(p.lead, p.first)
		if e.lift != target-p.plane {
			e.addMove(p.first, target, stamp)
		}
	}
	e.lift = target - p.plane
}

// liftAfter returns the lift at the first bead of p if its lead is passed on as it is.
func (e *emitter) liftAfter(p *loop) int32 {
	for i := p.lead; i <= p.first; i++ {
		if m := &e.l.moves[i]; m.flags&(hasZ|relative) == hasZ {
			return 0
		}
	}
	return e.lift
}

// carrier returns the move in the lead of p that can take the nozzle to height target, or -1: the last travel, or the
// move that ends a Z hop, as long as nothing behind it moves Z again and it does not itself stay higher.
func (e *emitter) carrier(p *loop, target int32) int32 {
	for i := p.first - 1; i >= p.lead; i-- {
		m := &e.l.moves[i]
		switch {
		case m.is(relative|setsXYZ) || e.l.sealed && m.off < e.l.mark:
			return -1
		case m.is(linear) && m.e == 0 && m.is(hasXY|hasZ) && m.z <= target:
			return i
		case m.is(hasZ):
			return -1
		}
	}
	return -1
}

// carry writes the line of m with its Z word set to target.
func (e *emitter) carry(m *move, target int32, stamp string) {
	if e.displaced && m.is(hasXY) {
		e.leave(m, func() { e.setHeight(m, target, stamp) })
		return
	}
	e.setHeight(m, target, stamp)
}

func (e *emitter) setHeight(m *move, target int32, stamp string) {
	text := e.l.text[m.off:m.end]
	var line lex.Line
	line.Parse(text)
	e.edits++
	moved := m.is(absoluteE) && e.shift != 0
	if moved && line.EAt.Start < line.ZAt.Start {
		e.digits(m, line.EAt, e.at+e.shift, eDecimals(m, e.at+e.shift))
		moved = false
	}
	if m.is(hasZ) {
		e.digits(m, line.ZAt, int64(target), 3)
	}
	if moved {
		e.digits(m, line.EAt, e.at+e.shift, eDecimals(m, e.at+e.shift))
	}
	if !m.is(hasZ) {
		e.copyTo(m.off + uint32(line.End))
		e.out = append(e.out, " Z"...)
		e.out = lex.AppendDecimal(e.out, int64(target), 3, true)
	}
	e.copyTo(m.off + uint32(line.Body))
	e.out = append(e.out, ' ')
	e.out = append(e.out, stamp...)
}

// digits writes v instead of the digits of a word, with or without a zero before the point as they are.
func (e *emitter) digits(m *move, at lex.Span, v int64, decimals int) {
	old := e.l.text[m.off+uint32(at.Start) : m.off+uint32(at.End)]
	e.copyTo(m.off + uint32(at.Start))
	e.out = lex.AppendDecimal(e.out, v, decimals, isBare(old))
	e.pos = m.off + uint32(at.End)
}

// isBare reports whether a number is written without a zero before its point.
func isBare(digits []byte) bool {
	return digits[0] == '.' || len(digits) > 1 && digits[1] == '.' && digits[0]-'0' > 9
}

// addMove adds lines before move i that take the nozzle to height target.
func (e *emitter) addMove(i int32, target int32, stamp string) {
	feed := e.l.startF
	if i > 0 {
		feed = e.l.moves[i-1].f
	}
	e.copyTo(e.l.moves[i].off)
	e.out = append(e.out, "G1 Z"...)
	e.out = lex.AppendDecimal(e.out, int64(target), 3, false)
	e.addedLine()
	if feed != 0 {
		zFeed := e.zFeed
		if zFeed == 0 {
			zFeed = defaultZFeed
		}
		e.out = append(e.out, " F"...)
		e.out = lex.AppendDecimal(e.out, int64(zFeed)*1000, 3, false)
		e.out = append(append(append(e.out, ' '), stamp...), e.eol...)
		e.out = append(e.out, "G1 F"...)
		e.out = lex.AppendDecimal(e.out, int64(feed)*1000, 3, false)
		stamp = StampFeed
		e.addedLine()
	}
	e.out = append(append(append(e.out, ' '), stamp...), e.eol...)
}

func (e *emitter) addedLine() {
	e.edits++
	e.stats.LinesAdded++
}

// copyTo writes the text of the layer up to offset to.
func (e *emitter) copyTo(to uint32) {
	if e.silent {
		e.copySilent(to)
	}
	if to > e.pos {
		e.out = append(e.out, e.l.text[e.pos:to]...)
		e.pos = to
	}
}
