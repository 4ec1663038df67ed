package validate

import (
	"bytes"
	"fmt"
	"slices"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

const (
	mm       = lex.Unit
	maxCoord = 2000 * mm
	maxEJump = 1000 * mm
	minBeads = 10 // fewer are no print
)

// machine follows the printer as far as is needed to tell a print from anything else.
type machine struct {
	force    bool
	lines    int64
	moves    int64
	beads    int64   // moves in X or Y that extrude
	pending  *Reject // what is wrong with it if it is a print
	sampled  bool    // not all lines were checked
	warnings []string

	relative, absoluteE bool
	e                   int64
	knowE               bool
	z                   int64
	knowZ               bool
	parsed              lex.Line

	comments
	ended bool // something was switched off since the last bead
	cut   bool // the last line is half a command
}

func (m *machine) reset(force bool) {
	m.force = force
	m.absoluteE, m.knowE = true, true
}

// forget drops what lines that were skipped may have changed.
func (m *machine) forget() {
	m.sampled = true
	m.knowE, m.knowZ = false, false
	m.comments.forget()
}

// read takes in a whole line.
func (m *machine) read(line []byte) error {
	m.lines++
	l := &m.parsed
	l.Parse(line)
	switch l.Kind {
	case lex.Move:
		m.move()
	case lex.SetPosition:
		m.setPosition()
	case lex.Command:
		m.command(line)
	case lex.Opaque:
		m.opaque(line)
	case lex.Marker:
		m.comments.read(l.CommentText(line))
	}
	if l.Comment < l.Body {
		if by := dialect.StampedBy(l.CommentText(line)); by != "" && !m.force {
			return reject(ReasonAlreadyProcessed, "%s: already processed by %s: upload the file the slicer wrote",
				m.at(), by)
		} else if by != "" {
			m.warn(WarnAlreadyProcessed)
		}
	}
	if m.pending != nil && m.beads >= minBeads {
		return m.pending
	}
	return nil
}

// readLast takes in a line that no newline ends. A number in it may be half of one.
func (m *machine) readLast(line []byte) error {
	l := &m.parsed
	l.Parse(line)
	if l.Kind == lex.Move || l.Kind == lex.SetPosition {
		m.lines++
		m.cut = true
		return nil
	}
	return m.read(line)
}

func (m *machine) move() {
	m.moves++
	l := &m.parsed
	switch {
	case l.Bad:
		m.hold(ReasonBadNumber, "%s has a word without a number, with one that is too large, or given twice")
		return
	case beyond(l.X, maxCoord) || beyond(l.Y, maxCoord) || beyond(l.Z, maxCoord):
		m.hold(ReasonCoordRange, "%s moves farther than 2000 mm")
		return
	case l.Checksum:
		m.hold(ReasonLineChecksums, "%s has a checksum, which changing the line would break: "+
			"export without checksums")
	}
	if l.Has&lex.HasZ != 0 {
		m.z, m.knowZ = l.Z, !m.relative
	}
	if l.Has&lex.HasE == 0 {
		return
	}
	extruded, known := l.E, true
	if m.absoluteE {
		extruded, known = l.E-m.e, m.knowE
		m.e, m.knowE = l.E, true
	}
	switch {
	case !known:
	case beyond(extruded, maxEJump):
		m.hold(ReasonCoordRange, "%s moves more than 1000 mm of filament")
	case extruded > 0 && l.Has&(lex.HasX|lex.HasY) != 0:
		m.bead()
	}
}

func beyond(v, limit int64) bool { return v > limit || v < -limit }

func (m *machine) bead() {
	m.beads++
	m.ended = false
	m.comments.bead(m.z, m.knowZ, m.parsed.Has&lex.HasZ != 0)
	if m.relative && m.region.Wall() {
		m.warn(WarnRelativeXYZ)
	}
}

func (m *machine) setPosition() {
	l := &m.parsed
	if l.Bad {
		m.hold(ReasonBadNumber, "%s sets a position without a number, or one that is too large")
		return
	}
	if l.Has&lex.HasE != 0 {
		m.e, m.knowE = l.E, true
	}
}

func (m *machine) command(line []byte) {
	l := &m.parsed
	if l.Checksum {
		m.hold(ReasonLineChecksums, "%s has a checksum, which changing the line would break: "+
			"export without checksums")
	}
	switch {
	case l.Letter == 'G':
		m.modal(l.Number)
	case l.Letter == 'M':
		switch l.Number {
		case 82, 83:
			m.absoluteE = l.Number == 82
		case 2, 18, 30, 84:
			m.ended = true
		case 104, 140: // off
			m.ended = m.ended || bytes.HasSuffix(line[:l.End], []byte("S0"))
		}
	}
}

func (m *machine) modal(number int) {
	switch number {
	case 20:
		m.hold(ReasonUnitsInches, "%s switches to inches: set the slicer to millimetres")
	case 90, 91:
		m.relative = number == 91
	}
}

// opaque takes in a macro of the printer's own, such as PRINT_END, which ends the print.
func (m *machine) opaque(line []byte) {
	name, rest, _ := bytes.Cut(bytes.TrimLeft(line[:m.parsed.End], " \t"), []byte(" "))
	if m.parsed.Numbered {
		name, _, _ = bytes.Cut(rest, []byte(" "))
	}
	name = bytes.ToUpper(name[:min(len(name), 64)])
	m.ended = m.ended || bytes.Contains(name, []byte("END")) && !bytes.HasPrefix(name, []byte("EXCLUDE_OBJECT"))
}

// hold keeps the first reason to reject the file. It counts once this is certain to be a print: a reader of a program
// for a mill learns nothing from its inches.
func (m *machine) hold(reason, format string) {
	if m.pending == nil {
		m.pending = reject(reason, format, m.at())
	}
}

// at says where the current line is.
func (m *machine) at() string {
	if m.sampled {
		return "a line behind the first 4 MB"
	}
	return fmt.Sprintf("line %d", m.lines)
}

// decide rejects a text at the end of the full check, when waiting for more will not change the answer.
func (m *machine) decide() error {
	if m.pending == nil {
		return nil
	}
	return m.reject()
}

func (m *machine) warn(label string) {
	if !slices.Contains(m.warnings, label) {
		m.warnings = append(m.warnings, label)
	}
}
