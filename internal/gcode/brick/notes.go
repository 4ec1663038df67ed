package brick

// What commands and comments change: modes of the machine, and what the beads that follow are.

import (
	"slices"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

func (s *scanner) command(length int) error {
	if s.l.Checksum {
		return s.fault(LineChecksums, "has a checksum, which changing the line would break: export without checksums")
	}
	if s.l.Letter == 'M' && slices.Contains(settings, s.l.Number) {
		s.keepNote(noteSetting, length)
		return nil
	}
	s.st.commands |= afterCommand
	switch st := &s.st; s.l.Letter {
	case 'G':
		switch s.l.Number {
		case 10, 11:
			st.commands |= afterRetract
		case 20:
			return s.fault(UnitsInches, "G20 switches to inches: set the slicer to millimetres")
		case 17, 18, 19:
			st.turned = s.l.Number != 17
		case 28:
			st.knowX, st.knowY, st.knowZ = false, false, false
			st.breaks = breaksRun
		case 90, 91:
			st.relative = s.l.Number == 91
		}
	case 'M':
		switch s.l.Number {
		case 82, 83:
			st.absE = s.l.Number == 82
			st.commands |= afterRetract
		case 486, 620, 621:
			st.breaks = breaksRun
		}
	case 'T':
		st.breaks = breaksRun
	}
	return nil
}

// settings are the M commands that may be given a little earlier than they are, because they only set something that is
// set again when it matters: progress, fan, message, acceleration and jerk, pressure advance. Any other command between
// the beads of a loop keeps the loop where it is.
var settings = []int{73, 106, 107, 117, 201, 202, 203, 204, 205, 566, 572, 900}

// klipperSettings are those that Klipper has words for.
var klipperSettings = []string{"SET_VELOCITY_LIMIT", "SET_PRESSURE_ADVANCE"}

func (s *scanner) opaque(line []byte) {
	for _, name := range klipperSettings {
		if dialect.HasPrefixFold(line, name) {
			s.keepNote(noteSetting, len(line))
			return
		}
	}
	s.st.commands |= afterCommand
	if dialect.HasPrefixFold(line, "EXCLUDE_OBJECT_") {
		s.st.breaks = breaksRun
	}
}

func (s *scanner) marker(text []byte, length int) error {
	kind, value := dialect.Read(text)
	if kind >= dialect.Feature && kind <= dialect.Width {
		s.keepNote(kind, length)
	}
	switch st := &s.st; kind {
	case dialect.Layer:
		if s.facts.layerMarks++; s.facts.layerMarks == 1 {
			s.facts.dialect = dialect.Of(text)
		}
		if err := s.possibleCut(); err != nil {
			return err
		}
		s.cutRaft = s.cutRaft || value < 0
		st.region = dialect.Unknown
		st.breaks = breaksRun
		if v, ok := dialect.NamedNumber(text, "z_thickness="); ok {
			st.height = v
		}
	case dialect.Feature:
		st.region = dialect.Region(value)
		if st.region.Wall() {
			s.facts.wallLabels++
		} else {
			st.breaks = breaksRun
		}
	case dialect.Height:
		st.height = value
	case dialect.Width:
		st.width = value
	case dialect.Object:
		st.breaks = breaksRun
	}
	return nil
}

// keepNote remembers where the current line is.
func (s *scanner) keepNote(kind dialect.Note, length int) {
	at := uint32(s.offset())
	s.cur.notes = append(s.cur.notes, labelNote{at, at + uint32(length), kind})
}
