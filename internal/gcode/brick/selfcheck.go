package brick

// The self-check reads what was written beside what was read, line for line, and lets pass only what brick may do:
// other digits for the plastic of an inner wall, a height on a travel before a loop, and the lines added for that. It
// knows the moves of the input, but nothing of how the output was made.

import (
	"bytes"
	"fmt"

	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// A SelfcheckError says that the result is not what it should be. It is a defect of brick, never of the input.
type SelfcheckError struct {
	Line int // of the input
	Text string
}

func (e *SelfcheckError) Error() string {
	return fmt.Sprintf("line %d: the result failed its own check: %s", e.Line, e.Text)
}

// Reason returns the stable label.
func (e *SelfcheckError) Reason() string { return string(SelfcheckFailed) }

type selfCheck struct {
	climb    climb
	position int64 // of the filament in the input
	shift    int64 // the same in the output, less that
	lift     int32 // height of the nozzle: output less input
	given    int64 // plastic of the last move in the output
	l        *layer
	out      []byte // what is left of the output
	err      error

	loop     int // the loop that the next bead may belong to
	loopLift int32
	in, laid int64 // its plastic so far

	before, after *tally // where loops change places
}

// check compares a layer with its output.
func (c *selfCheck) check(l *layer, out []byte, order Order) error {
	if order == OrderSlicer {
		return c.checkLines(l, out)
	}
	return c.checkMoved(l, out)
}

// checkLines compares them line by line.
func (c *selfCheck) checkLines(l *layer, out []byte) error {
	c.l, c.out, c.loop, c.err = l, out, 0, nil
	if l.locked && c.shift == 0 && !bytes.Equal(l.text, out) { // positions of the filament may have to move along
		return c.fail(0, "a layer that must stay as it is was edited")
	}
	pos := uint32(0)
	for i := int32(0); i < int32(len(l.moves)); i++ {
		if n := c.stretch(i, pos); n > i {
			i, pos = n, l.moves[n-1].end
			if int(i) == len(l.moves) {
				break
			}
		}
		m := &l.moves[i]
		if want := l.text[pos:m.end]; bytes.HasPrefix(c.out, want) {
			c.out = c.out[len(want):]
			c.unchanged(m)
		} else if v, ok := c.extrusion(pos, m); ok {
			c.extruded(m, v)
		} else {
			c.same(pos, m.off)
			for m.is(isBead|setsXYZ) && c.err == nil && c.added(m) {
			}
			c.move(m)
		}
		if m.is(isBead) {
			c.bead(i, m)
		}
		if c.err != nil {
			return c.err
		}
		pos = m.end
	}
	c.same(pos, uint32(len(l.text)))
	if c.err == nil && len(c.out) > 0 {
		return c.fail(uint32(len(l.text)), "the output has more lines than it should")
	}
	return c.err
}

// stretch takes the moves from i on up to the lead of the next inner loop at once, if nothing is out of place there and
// the text is the same, and returns the move behind them.
func (c *selfCheck) stretch(i int32, pos uint32) int32 {
	if c.lift != 0 || c.shift != 0 {
		return i
	}
	for c.loop < len(c.l.loops) && (c.l.loops[c.loop].last < i || !c.l.loops[c.loop].inner()) {
		c.loop++
	}
	n := int32(len(c.l.moves))
	if c.loop < len(c.l.loops) {
		n = c.l.loops[c.loop].lead
	}
	if n <= i {
		return i
	}
	want := c.l.text[pos:c.l.moves[n-1].end]
	if !bytes.HasPrefix(c.out, want) {
		return i
	}
	c.out = c.out[len(want):]
	for k := i; k < n; k++ {
		m := &c.l.moves[k]
		c.position += int64(m.e)
		if m.is(setsE) {
			c.position = c.l.arcs[m.arc].i
		}
	}
	return n
}

func (c *selfCheck) fail(off uint32, text string) error {
	if c.err == nil {
		c.err = &SelfcheckError{Line: c.l.lineOf(off), Text: text}
	}
	return c.err
}

// same takes the text from a to b, which must come out as it is.
func (c *selfCheck) same(a, b uint32) {
	if want := c.l.text[a:b]; !bytes.HasPrefix(c.out, want) {
		_ = c.fail(a, "a line was changed that must stay as it is") // kept in c.err
	} else {
		c.out = c.out[len(want):]
	}
}

// added takes a line that was added before m, if there is one.
func (c *selfCheck) added(m *move) bool {
	if len(c.out) < 4 || c.out[3] != 'Z' && c.out[3] != 'F' {
		return false
	}
	line, rest := lex.NextLine(c.out)
	body := line[:lex.BodyLen(line)]
	switch {
	case bytes.HasPrefix(line, []byte("G1 Z")) &&
		(bytes.HasSuffix(body, []byte(StampUp)) || bytes.HasSuffix(body, []byte(StampDown))):
		v, _, _ := lex.ParseDecimal(line[len("G1 Z"):])
		c.lift = int32(v) - m.z
	case bytes.HasPrefix(line, []byte("G1 F")) && bytes.HasSuffix(body, []byte(StampFeed)):
	default:
		return false
	}
	c.out = rest
	return true
}

// unchanged takes a move whose line came out as it is.
func (c *selfCheck) unchanged(m *move) {
	if m.flags&(setsE|hasE|hasZ) == 0 {
		return
	}
	c.position += int64(m.e)
	c.given = int64(m.e)
	switch {
	case m.is(setsE):
		c.shift, c.position = 0, c.l.arcs[m.arc].i
	case m.is(absoluteE) && c.shift != 0: // the position is that of the input again
		c.given -= c.shift
		c.shift = 0
	}
	c.nothingLaid(m)
	if m.is(hasZ) && !m.is(relative) {
		c.lift = 0
	}
}

// extruded takes a move whose E word came out as v.
func (c *selfCheck) extruded(m *move, v int64) {
	c.position += int64(m.e)
	c.given = v
	if m.is(absoluteE) {
		was := c.shift
		c.shift = v - c.position
		c.given = int64(m.e) + c.shift - was
	}
	c.nothingLaid(m)
	if m.is(hasZ) && !m.is(relative) {
		c.lift = 0
	}
}

func (c *selfCheck) nothingLaid(m *move) {
	if !m.is(isBead) && c.given != int64(m.e) {
		_ = c.fail(m.off, "filament moves by another length where nothing is laid")
	}
}

// move takes a move with lines added before it, or with another height.
func (c *selfCheck) move(m *move) {
	line := c.l.text[m.off:m.end]
	if bytes.HasPrefix(c.out, line) {
		c.out = c.out[len(line):]
		c.unchanged(m)
	} else if v, ok := c.extrusion(m.off, m); ok {
		c.extruded(m, v)
	} else if m.e != 0 || c.l.locked {
		_ = c.fail(m.off, "a move was changed that must stay as it is")
	} else {
		c.lift = c.height(m, line) - m.z
	}
}

// extrusion takes the text from pos to the end of m if nothing but the digits of its E word is other, and returns their
// value.
func (c *selfCheck) extrusion(pos uint32, m *move) (v int64, ok bool) {
	digits := m.off + uint32(m.eAt)
	head, tail := c.l.text[pos:digits], c.l.text[digits+uint32(m.eLen):m.end]
	if !m.is(hasE) || !bytes.HasPrefix(c.out, head) {
		return 0, false
	}
	v, n, ok := lex.ParseDecimal(c.out[len(head):])
	if !ok || !bytes.HasPrefix(c.out[len(head)+n:], tail) {
		return 0, false
	}
	c.out = c.out[len(head)+n+len(tail):]
	return v, true
}

// height takes the line of m with another height, or with one where it had none, and returns it.
func (c *selfCheck) height(m *move, line []byte) int32 {
	var a, b lex.Line
	var out []byte
	out, c.out = lex.NextLine(c.out)
	a.Parse(line)
	b.Parse(out)
	if m.is(absoluteE) {
		a.E += c.shift
	}
	if b.Kind != lex.Move || b.Bad || a.Number != b.Number || a.Number > 1 || a.Has|lex.HasZ != b.Has ||
		a.X != b.X || a.Y != b.Y || a.F != b.F || a.E != b.E {
		_ = c.fail(m.off, "more than the height of a travel was changed")
	}
	return int32(b.Z)
}

// bead checks the height and the plastic of move i.
func (c *selfCheck) bead(i int32, m *move) {
	for c.loop < len(c.l.loops) && c.l.loops[c.loop].last < i {
		c.loop++
	}
	if c.loop == len(c.l.loops) || c.l.loops[c.loop].first > i || !c.l.loops[c.loop].inner() ||
		c.l.locked {
		switch {
		case c.lift != 0 && !m.is(unknownZ):
			_ = c.fail(m.off, "a bead that must stay in its plane was moved in Z")
		case c.given != int64(m.e):
			_ = c.fail(m.off, "a bead that must stay as it is gets more or less plastic")
		}
		return
	}
	p := &c.l.loops[c.loop]
	if i == p.first {
		c.in, c.laid = 0, 0
		if !m.is(unknownZ) && !c.climb.mayRise(c.l, int64(c.lift)) {
			_ = c.fail(m.off, "an inner loop is at a height between the steps of its ramp")
		}
		c.loopLift = c.lift
	}
	c.in += int64(m.e)
	c.laid += c.given
	switch {
	case c.lift != c.loopLift:
		_ = c.fail(m.off, "a loop is not raised as a whole")
	case c.given <= 0:
		_ = c.fail(m.off, "a bead lost its plastic")
	case i == p.last && (c.laid*5 < c.in-100 || c.laid > c.in*3+100):
		_ = c.fail(m.off, "a loop gets less than a fifth or more than three times its plastic")
	}
}
