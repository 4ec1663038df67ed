package brick

// The scanner reads the input once, from front to back, and is the only part that knows the state of the machine. It
// cuts the text into layers and notes every move in them:
//
//	bytes → lines → {marker, move, command} → state (position, E mode, region) → layer
//
// A layer change marker does not cut at once. Some files announce a layer twice, in two slicers' words, and some
// announce the same layer again for the next object. So a marker only opens a possible cut, and what follows decides:
// a wall bead at the height of the current layer closes it again, any other wall bead or another marker makes the cut.
// It is made behind the last bead before the marker: what leads to the first loop of a layer may stand there.

import (
	"errors"
	"fmt"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

const (
	bufferSize  = peekSize + maxLine // of text that was read and not yet moved into a layer
	maxLine     = 64 << 10
	maxLayer    = 8 << 20 // text of one layer; beyond it the layer passes through in pieces
	maxMoves    = 200_000 // so does one of so many moves
	maxPreamble = 1 << 20 // text before the first layer change, handed on in pieces of this size
	maxCoord    = 2000 * mm
	maxEJump    = 1000 * mm
	sameHeight  = 2 * micron // heights closer than this are one height
)

type scanner struct {
	r     io.Reader
	buf   []byte // read and not yet moved into a layer: buf[start:]
	start int    // of the text not yet copied into cur
	pos   int    // of the next line
	eof   bool
	base  int // how far into cur.text buf[start] goes
	line  int // lines read

	take func() *layer
	emit func(*layer) error
	cur  *layer

	cutAt    int // offset in cur.text of a possible cut, -1 for none
	cutMoves int // moves before it
	cutArcs  int
	cutNotes int
	cutMark  int // where the layer change is announced, behind it
	cutX     int32
	cutY     int32
	cutF     int32
	cutLine  int
	cutRaft  bool
	cutBeads bool // something was extruded since
	big      bool // cur is a piece of a layer that is too big

	force   bool
	pending *InputError // what is wrong with the input if it is a print
	st      state
	facts   facts
	l       lex.Line
}

// state is what the printer knows.
type state struct {
	x, y, z       int32
	knowX, knowY  bool
	knowZ         bool
	e             int64
	f             int32
	relative      bool // G91
	absE          bool // M82
	turned        bool // G18, G19
	region        dialect.Region
	breaks        flags // breaksRun, until the next bead
	commands      flags // afterCommand and afterRetract, until the next move
	height, width int64
}

// facts are what the whole input is judged by.
type facts struct {
	moves, beads       int
	filament           [dialect.RegionCount]int64 // in beads
	layerMarks         int
	dialect            string
	wallLabels         int
	external, climbing int // beads of the visible wall, and those of them that move in Z
	relative           bool
	tooBig             bool
	bytes              int64
}

// newScanner returns a scanner of head and what follows it in r. It uses the memory of head.
func newScanner(head []byte, r io.Reader, force bool, take func() *layer, emit func(*layer) error) *scanner {
	s := &scanner{r: r, buf: head, take: take, emit: emit, force: force, cutAt: -1}
	s.facts.bytes = int64(len(head))
	s.st.absE = true
	s.st.breaks = breaksRun
	return s
}

// run reads the input to its end, handing every layer to emit.
func (s *scanner) run() error {
	s.cur = s.take()
	s.cur.preamble = true
	s.cur.line = 1
	for {
		if err := s.fill(); err != nil {
			return err
		}
		for s.pos < len(s.buf) {
			line, _ := lex.NextLine(s.buf[s.pos:])
			if len(line) > maxLine {
				s.line++
				return s.fault(LineTooLong, "longer than %d KB: this is no G-code a printer reads", maxLine>>10)
			}
			if line[len(line)-1] != '\n' && !s.eof {
				break // wait for the rest of it
			}
			if err := s.read(line); err != nil {
				return err
			}
		}
		s.copyUp(s.pos)
		if s.eof && s.pos == len(s.buf) {
			break
		}
	}
	if s.cutAt >= 0 {
		if err := s.cut(); err != nil {
			return err
		}
	}
	return s.flush()
}

// fill moves what is left of the buffer to its front and reads more behind it.
func (s *scanner) fill() error {
	n := copy(s.buf[:cap(s.buf)], s.buf[s.pos:])
	s.buf, s.start, s.pos = s.buf[:n], 0, 0
	for !s.eof && len(s.buf) == n {
		read, err := s.r.Read(s.buf[n:cap(s.buf)])
		s.buf = s.buf[:n+read]
		s.facts.bytes += int64(read)
		if errors.Is(err, io.EOF) {
			s.eof = true
		} else if err != nil {
			return fmt.Errorf("read input: %w", err)
		}
	}
	return nil
}

// copyUp moves the text before buf[to] into the current layer.
func (s *scanner) copyUp(to int) {
	s.cur.text = append(s.cur.text, s.buf[s.start:to]...)
	s.start = to
	s.base = len(s.cur.text)
}

// offset is where the line at buf[s.pos] begins in the text of the current layer.
func (s *scanner) offset() int { return s.base + s.pos - s.start }

// read takes in one line.
func (s *scanner) read(line []byte) error {
	s.l.Parse(line)
	s.line++
	var err error
	switch s.l.Kind {
	case lex.Move:
		err = s.move(line)
	case lex.SetPosition:
		err = s.setPosition(line)
	case lex.Command:
		err = s.command(len(line))
	case lex.Marker:
		err = s.marker(s.l.CommentText(line), len(line))
	case lex.Opaque:
		s.opaque(line)
	}
	if err == nil && s.l.Comment < s.l.Body && !s.force {
		err = s.stamp(line)
	}
	s.pos += len(line)
	if err != nil || s.pending != nil {
		err = s.hold(err)
	}
	if err == nil && s.tooBig() {
		err = s.split()
	}
	return err
}

// move notes a G0–G3 and moves the head.
func (s *scanner) move(line []byte) error {
	l, st := &s.l, &s.st
	s.facts.moves++
	if l.Bad {
		return s.fault(BadNumber, "a word without a number, with one that is too large, or given twice: %.60q", line)
	}
	if l.Checksum {
		return s.fault(LineChecksums, "has a checksum, which changing the line would break: export without checksums")
	}
	m := move{arc: -1, region: st.region}
	x, y, z := s.target(l)
	if x > maxCoord || x < -maxCoord || y > maxCoord || y < -maxCoord || z > maxCoord || z < -maxCoord {
		return s.fault(CoordRange, "moves beyond %d mm: %.60q", maxCoord/mm, line)
	}
	if l.Has&(lex.HasX|lex.HasY) != 0 {
		m.flags |= hasXY
		if l.Has&lex.HasX != 0 && l.Has&lex.HasY != 0 {
			m.flags |= hasBoth
		}
		if int32(x) != st.x || int32(y) != st.y || !st.knowX || !st.knowY || l.Number >= 2 {
			m.flags |= movesXY
		}
		st.knowX = st.knowX || l.Has&lex.HasX != 0 && !st.relative
		st.knowY = st.knowY || l.Has&lex.HasY != 0 && !st.relative
	}
	if l.Has&lex.HasZ != 0 {
		m.flags |= hasZ
		st.knowZ = st.knowZ || !st.relative
	}
	st.x, st.y, st.z = int32(x), int32(y), int32(z)
	if l.Has&lex.HasF != 0 {
		st.f = int32(l.F / 1000)
		m.flags |= hasF
	}
	if l.Has&lex.HasE != 0 {
		if err := s.extrude(&m, line); err != nil {
			return err
		}
	}
	if l.Number < 2 {
		m.flags |= linear
	} else {
		m.arc = int32(len(s.cur.arcs))
		s.cur.arcs = append(s.cur.arcs, arc{i: l.I, j: l.J, clockwise: l.Number == 2, radius: l.Has&lex.HasR != 0})
	}
	s.note(&m, len(line))
	return nil
}

// target is where the move of l ends.
func (s *scanner) target(l *lex.Line) (x, y, z int64) {
	if s.st.relative {
		return int64(s.st.x) + l.X, int64(s.st.y) + l.Y, int64(s.st.z) + l.Z
	}
	x, y, z = int64(s.st.x), int64(s.st.y), int64(s.st.z)
	if l.Has&lex.HasX != 0 {
		x = l.X
	}
	if l.Has&lex.HasY != 0 {
		y = l.Y
	}
	if l.Has&lex.HasZ != 0 {
		z = l.Z
	}
	return x, y, z
}

func (s *scanner) extrude(m *move, line []byte) error {
	l, st := &s.l, &s.st
	delta := l.E
	if st.absE && !st.relative { // G91 makes E relative as well on the firmware that end code such as Cura's is for
		delta -= st.e
		m.flags |= absoluteE
	}
	if l.EAt.End-l.EAt.Start > 255 {
		return s.fault(BadNumber, "a number of more than 255 digits")
	}
	if delta > maxEJump || delta < -maxEJump {
		return s.fault(CoordRange, "pushes or pulls more than %d mm of filament at once: %.60q", maxEJump/mm, line)
	}
	st.e += delta
	m.flags |= hasE
	m.e = int32(delta)
	m.eAt, m.eLen = uint16(l.EAt.Start), uint8(l.EAt.End-l.EAt.Start)
	if delta > 0 && m.flags&movesXY != 0 {
		m.flags |= isBead
		return s.bead(m)
	}
	return nil
}

// bead counts a bead into its layer, which may be the moment where a layer change turns out to be one.
func (s *scanner) bead(m *move) error {
	st := &s.st
	s.facts.beads++
	s.facts.filament[m.region] += int64(m.e)
	if s.cutAt >= 0 {
		switch {
		case m.is(hasZ):
			s.cutBeads = true
		case m.region.Wall() && !s.cutRaft && s.cur.walls && near(s.cur.floor, st.z):
			s.cutAt = -1 // the same layer, announced again
		case m.region.Wall():
			if err := s.cut(); err != nil {
				return err
			}
		default:
			s.cutBeads = true
		}
	}
	l := s.cur
	l.beads++
	if m.region == dialect.External {
		s.facts.external++
		if m.is(hasZ) {
			s.facts.climbing++
		}
	}
	if !m.region.Wall() || l.raft || m.is(hasZ) { // a bead that moves in Z, as in a scarf seam, is at no plane
		return nil
	}
	if !l.walls {
		l.walls, l.floor = true, st.z
	}
	l.floor = min(l.floor, st.z)
	if m.region != dialect.Overhang && l.declared == 0 {
		l.declared = int32(min(st.height, maxCoord))
	}
	l.width = max(l.width, int32(min(st.width, maxCoord)))
	return nil
}

func near(a, b int32) bool { return a-b <= sameHeight && b-a <= sameHeight }

// note adds the move of the current line to the current layer.
func (s *scanner) note(m *move, length int) {
	st := &s.st
	m.off = uint32(s.offset())
	m.end = m.off + uint32(length)
	m.x, m.y, m.z, m.f = st.x, st.y, st.z, st.f
	if !st.knowZ {
		m.flags |= unknownZ
	}
	if st.relative {
		m.flags |= relative
		s.facts.relative = s.facts.relative || m.flags&isBead != 0 && m.region.Wall()
	}
	if st.turned {
		m.flags |= turned
	}
	if m.flags&isBead != 0 {
		m.flags |= st.breaks
		st.breaks = 0
	}
	m.flags |= st.commands
	st.commands = 0
	s.cur.moves = append(s.cur.moves, *m)
}

// setPosition notes a G92.
func (s *scanner) setPosition(line []byte) error {
	l, st := &s.l, &s.st
	if l.Bad {
		return s.fault(BadNumber, "a word without a number, with one that is too large, or given twice: %.60q", line)
	}
	m := move{arc: -1, region: st.region}
	if l.Has&lex.HasE != 0 {
		st.e = l.E
		m.flags |= setsE
		m.arc = int32(len(s.cur.arcs))
		s.cur.arcs = append(s.cur.arcs, arc{i: l.E})
	}
	if l.Has == 0 { // some firmware takes it for a zero on all axes, some for nothing
		st.knowX, st.knowY, st.knowZ = false, false, false
		m.flags |= setsXYZ
	}
	if l.Has&lex.HasX != 0 {
		st.knowX = false
		m.flags |= setsXYZ
	}
	if l.Has&lex.HasY != 0 {
		st.knowY = false
		m.flags |= setsXYZ
	}
	if l.Has&lex.HasZ != 0 {
		m.flags |= setsXYZ
	}
	if m.flags&setsXYZ != 0 {
		st.breaks = breaksRun
	}
	s.note(&m, len(line)) // with the height as it was called before
	if l.Has&lex.HasZ != 0 {
		st.z, st.knowZ = int32(max(-maxCoord, min(l.Z, maxCoord))), true
	}
	return nil
}
