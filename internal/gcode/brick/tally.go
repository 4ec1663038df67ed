package brick

// The self-check where loops change places. Lines cannot be compared one by one then, so both texts are read on their
// own and added up: every bead must be there once, everything but the inner walls with the same height and plastic, and
// every command in its order.

import (
	"bytes"
	"hash/maphash"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// tally is the sum of a text, and the state of the machine at its end.
type tally struct {
	x, y, z, e     int64
	absE, relative bool
	region         dialect.Region

	beads    int
	paths    uint64 // sum over all beads: where they are
	exact    uint64 // sum over the beads that must stay as they are: where, how high, how much
	commands uint64 // of all lines that are no moves and no comments, in their order
	inner    int64  // plastic in beads of inner walls
	pulled   int64  // filament moved without laying any, in sum
	heights  map[int64]bool
	seed     maphash.Seed
	line     lex.Line
}

func newTally(seed maphash.Seed) *tally {
	return &tally{absE: true, seed: seed, heights: map[int64]bool{}}
}

// read adds up text, from the state the last one left.
func (t *tally) read(text []byte) {
	t.beads, t.paths, t.exact, t.commands, t.inner, t.pulled = 0, 0, 0, 0, 0, 0
	clear(t.heights)
	for len(text) > 0 {
		var line []byte
		line, text = lex.NextLine(text)
		t.line.Parse(line)
		switch l := &t.line; l.Kind {
		case lex.Blank:
		case lex.Marker:
			switch kind, value := dialect.Read(l.CommentText(line)); kind {
			case dialect.Layer:
				t.region = dialect.Unknown
			case dialect.Feature:
				t.region = dialect.Region(value)
			}
		case lex.Move:
			t.move()
		default:
			t.command(line)
		}
	}
}

func (t *tally) command(line []byte) {
	l := &t.line
	t.commands = maphash.Comparable(t.seed, [2]uint64{t.commands, maphash.Bytes(t.seed, line)})
	switch {
	case l.Kind == lex.SetPosition:
		if l.Has&lex.HasE != 0 {
			t.e = l.E
		}
		if l.Has&lex.HasZ != 0 {
			t.z = l.Z
		}
	case l.Letter == 'G' && l.Number == 28:
		t.z = 0
	case l.Letter == 'G' && (l.Number == 90 || l.Number == 91):
		t.relative = l.Number == 91
	case l.Letter == 'M' && (l.Number == 82 || l.Number == 83):
		t.absE = l.Number == 82
	}
}

func (t *tally) move() {
	l := &t.line
	x, y, z := t.x, t.y, t.z
	for _, axis := range [...]struct {
		at  *int64
		bit lex.Words
		v   int64
	}{{&t.x, lex.HasX, l.X}, {&t.y, lex.HasY, l.Y}, {&t.z, lex.HasZ, l.Z}} {
		switch {
		case l.Has&axis.bit == 0:
		case t.relative:
			*axis.at += axis.v
		default:
			*axis.at = axis.v
		}
	}
	pushed := l.E
	if l.Has&lex.HasE == 0 {
		pushed = 0
	} else if t.absE && !t.relative {
		pushed -= t.e
	}
	t.e += pushed
	moves := x != t.x || y != t.y || l.Number > 1 && l.Has&(lex.HasX|lex.HasY) != 0
	if pushed <= 0 || !moves {
		t.pulled += pushed
		return
	}
	t.beads++
	path := maphash.Comparable(t.seed, [7]int64{x, y, t.x, t.y, l.I, l.J, int64(l.Number)})
	t.paths += path
	if t.region == dialect.Internal || t.region == dialect.Overhang {
		t.inner += pushed
		t.heights[z] = true
		return
	}
	t.exact += maphash.Comparable(t.seed, [4]int64{int64(path), t.z, pushed, int64(t.region)})
}

// checkMoved compares a layer with its output where loops may have changed places.
func (c *selfCheck) checkMoved(l *layer, out []byte) error {
	if c.before == nil {
		seed := maphash.MakeSeed()
		c.before, c.after = newTally(seed), newTally(seed)
	}
	c.l, c.err = l, nil
	in, now := c.before, c.after
	in.read(l.text)
	now.read(out)
	for _, check := range []struct {
		ok   bool
		text string
	}{
		{!l.locked || bytes.Equal(l.text, out) || in.absE && in.inner == now.inner,
			"a layer that must stay as it is was edited"},
		{in.beads == now.beads && in.paths == now.paths, "beads are missing, or lead elsewhere"},
		{in.exact == now.exact, "a bead that must stay as it is has another height or gets more or less plastic"},
		{in.commands == now.commands, "commands are missing or out of order"},
		{in.pulled-now.pulled <= eStep && now.pulled-in.pulled <= eStep, "retractions and primes do not balance"},
		{now.inner*5 >= in.inner-100 && now.inner <= in.inner*3+100, "inner walls get too little or too much plastic"},
		{c.heightsAllowed(l, now.heights, in.heights), "an inner loop is at a height between the steps of its ramp"},
	} {
		if !check.ok {
			return c.fail(0, check.text)
		}
	}
	return nil
}

// heightsAllowed reports whether inner walls of l may be laid at heights when they were sliced for those of before.
func (c *selfCheck) heightsAllowed(l *layer, heights, before map[int64]bool) bool {
	for z := range heights {
		ok := before[z]
		for i := range l.loops {
			ok = ok || l.loops[i].wall && c.climb.mayRise(l, z-int64(l.loops[i].plane))
		}
		if !ok {
			return false
		}
	}
	return true
}
