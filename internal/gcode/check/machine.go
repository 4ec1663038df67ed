package check

import "math"

// action is what a motion line does.
type action uint8

const (
	bead     action = iota // lays filament along a path
	travel                 // moves in XY without laying any
	wipe                   // moves in XY and pulls filament back
	filament               // only moves filament
	dab                    // has XY words and pushes filament, but goes nowhere
	vertical               // only moves in Z, or in Z on a spiral
)

// move is a motion line that does something. Positions are micrometres, filament is 1e-6 mm.
type move struct {
	cmd            int32 // index of its line in the segment
	action         action
	code           uint8 // 0 to 3, of G0 to G3
	class          class
	climbs         bool // Z changes on the way
	radius         bool // an arc given by its radius, or not in XY
	relative       bool // under G91
	run            int32
	label          uint32
	x0, y0, x1, y1 int32
	z0, z          int32 // before and after
	i, j           int32
	e              int64
	pulled         int64 // filament pulled back and not pushed since, before this move
	f              int64
}

func (m *move) length() float64 {
	dx, dy := float64(m.x1-m.x0), float64(m.y1-m.y0)
	if m.code < 2 || m.radius {
		return math.Hypot(dx, dy) / 1000
	}
	radius, _, sweep := m.sweep()
	return math.Abs(sweep) * radius / 1000
}

// sweep of an arc: its radius in micrometres, the angle where it begins and how far it turns.
func (m *move) sweep() (radius, from, sweep float64) {
	cx, cy := float64(m.x0+m.i), float64(m.y0+m.j)
	radius = math.Hypot(float64(m.i), float64(m.j))
	from = math.Atan2(float64(m.y0)-cy, float64(m.x0)-cx)
	sweep = math.Atan2(float64(m.y1)-cy, float64(m.x1)-cx) - from
	if m.code == 2 && sweep >= 0 {
		sweep -= 2 * math.Pi
	}
	if m.code == 3 && sweep <= 0 {
		sweep += 2 * math.Pi
	}
	return radius, from, sweep
}

// trace is what the machine did in a segment.
type trace struct {
	moves    []move
	beads    []int32 // the moves that are beads
	marked   bool    // begins with a layer marker
	negative bool    // belongs to a raft
	height   int64   // as announced, 0 if not
	x, y     int32   // where the nozzle is at the start
}

func (t *trace) reset() { *t = trace{moves: t.moves[:0], beads: t.beads[:0]} }

func (t *trace) extrudes() bool { return len(t.beads) > 0 }

// machine is the state of a printer that reads the file.
type machine struct {
	pos       [3]int64 // 1e-6 mm
	e         int64    // position of the filament axis, in absolute mode
	lost      bool     // the axis is where no axis can be: the next absolute word says nothing
	pulled    int64
	f         int64
	relativeE bool
	relative  bool
	turned    bool // arcs are not in XY
	class     class
	label     uint32
	run       int32
}

// enter begins a segment.
func (m *machine) enter(g *segment) {
	g.x, g.y = micrometres(m.pos[0]), micrometres(m.pos[1])
	m.run = 0
}

// farthest is how far from the origin a position can be, in 1e-6 mm. No printer reaches farther, so what does is held
// there: both files are held to the same.
const farthest = 2000 * micro

func micrometres(v int64) int32 {
	v = max(-farthest, min(farthest, v))
	if v < 0 {
		return int32((v - 500) / 1000)
	}
	return int32((v + 500) / 1000)
}

func (m *machine) announce(g *segment, a announced) {
	switch a.mark {
	case layerMark:
		g.marked = true
		g.negative = g.negative || a.negative
		m.class, m.label = unlabelled, 0
		m.run++
		if a.height != 0 {
			g.height = a.height
		}
	case heightMark:
		if g.height == 0 {
			g.height = a.height
		}
	case splitMark:
		m.run++
	case regionMark:
		if !a.class.wall() || !m.class.wall() {
			m.run++
		}
		m.class, m.label = a.class, a.label
	}
}

// step executes one line.
func (m *machine) step(g *segment, c *command) {
	switch c.kind {
	case motion:
		m.move(g, c)
	case origin:
		m.setOrigin(c)
	case other:
		m.mode(g, c)
	}
}

func (m *machine) setOrigin(c *command) {
	for axis, word := range []int{wordX, wordY, wordZ} {
		if c.with(word) {
			m.pos[axis] = c.value[word]
			m.run++
		}
	}
	if c.with(wordE) {
		m.e, m.lost = c.value[wordE], c.absurd
	}
}

func (m *machine) mode(g *segment, c *command) {
	switch {
	case c.letter == 'T' || c.letter == 'M' && (c.code == 620 || c.code == 621 || c.code == 486):
		m.run++
	case c.letter == 'M' && c.code == 82:
		m.relativeE = false
	case c.letter == 'M' && c.code == 83:
		m.relativeE = true
	case c.letter == 'G' && (c.code == 90 || c.code == 91):
		if relative := c.code == 91; relative != m.relative {
			m.relative = relative
			m.run++
		}
	case c.letter == 'G' && c.code >= 17 && c.code <= 19:
		m.turned = c.code != 17
	case c.letter == 0: // EXCLUDE_OBJECT_START and _END
		if line := g.text[c.off:c.end]; len(line) > 14 && string(line[:14]) == "EXCLUDE_OBJECT" {
			m.run++
		}
	}
}

func (m *machine) move(g *segment, c *command) {
	to := m.pos
	for axis, word := range []int{wordX, wordY, wordZ} {
		if !c.with(word) {
			continue
		}
		if to[axis] = c.value[word]; m.relative {
			to[axis] += m.pos[axis]
		}
	}
	if c.with(wordF) {
		m.f = c.value[wordF]
	}
	r := move{
		cmd: int32(len(g.commands) - 1), code: uint8(c.code), class: m.class, label: m.label, run: m.run,
		x0: micrometres(m.pos[0]), y0: micrometres(m.pos[1]), z0: micrometres(m.pos[2]),
		x1: micrometres(to[0]), y1: micrometres(to[1]), z: micrometres(to[2]),
		i: micrometres(c.value[wordI]), j: micrometres(c.value[wordJ]),
		e: m.pay(c), pulled: m.pulled, f: m.f, relative: m.relative,
	}
	r.climbs = r.z != r.z0
	r.radius = r.code >= 2 && (c.with(wordR) || m.turned)
	m.pos = to
	hasXY := c.with(wordX) || c.with(wordY)
	m.record(g, &r, hasXY, c.with(wordE))
}

// pay returns how much filament the line moves. Firmwares take E for a length under G91 as well, whatever M82 said, and
// the end code of slicers relies on it.
func (m *machine) pay(c *command) int64 {
	if !c.with(wordE) {
		return 0
	}
	v := c.value[wordE]
	if m.relativeE || m.relative {
		if c.absurd {
			return 0
		}
		m.e += v
		return v
	}
	delta := v - m.e
	if m.lost || c.absurd {
		delta = 0
	}
	m.e, m.lost = v, c.absurd
	return delta
}

func (m *machine) record(g *segment, r *move, hasXY, hasE bool) {
	goes := r.x0 != r.x1 || r.y0 != r.y1 || r.code >= 2 && hasXY && (r.i != 0 || r.j != 0)
	switch {
	case goes && r.e > 0:
		r.action = bead
		g.beads = append(g.beads, int32(len(g.moves)))
	case goes && r.e < 0:
		r.action = wipe
	case goes:
		r.action = travel
	case hasXY && r.e > 0:
		r.action = dab
	case hasE && r.e != 0:
		r.action = filament
	case r.climbs:
		r.action = vertical
	default:
		return
	}
	if r.action != bead {
		m.pulled -= r.e
	}
	g.moves = append(g.moves, *r)
}
