package brick

// What is wrong with an input. Whoever hands in a program for a mill learns nothing from its inches, so a fault in a
// line counts once the input is known to be a print.

import (
	"errors"
	"fmt"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// minBeads is how many beads make a print.
const minBeads = 10

func (s *scanner) fault(reason Reason, format string, args ...any) error {
	return &InputError{Label: reason, Line: s.line, Text: fmt.Sprintf(format, args...)}
}

func (s *scanner) stamp(line []byte) error {
	if by := dialect.StampedBy(s.l.CommentText(line)); by != "" {
		return s.fault(AlreadyProcessed, "already processed by %s: use the file the slicer wrote, or --force", by)
	}
	return nil
}

// hold keeps the first fault until there are enough beads. A stamp is of a print for certain, and behind checksums nothing
// is read that could be a bead.
func (s *scanner) hold(err error) error {
	var fault *InputError
	if errors.As(err, &fault) && fault.Label != AlreadyProcessed && fault.Label != LineChecksums {
		if s.pending == nil {
			s.pending = fault
		}
		err = nil
	}
	if err == nil && s.pending != nil && s.facts.beads >= minBeads {
		return s.pending
	}
	return err
}
