package brick

// Cutting the scanned text into layers.

import "bytes"

// possibleCut remembers that a layer change was announced on the current line. The layer begins behind the last bead
// before it, because some slicers travel to the next layer before they announce it, and that travel has to be at hand
// when the first loop there is to be raised.
func (s *scanner) possibleCut() error {
	if s.cutAt >= 0 {
		if !s.cutBeads {
			return nil // announced twice
		}
		if err := s.cut(); err != nil {
			return err
		}
	}
	s.copyUp(s.pos)
	l := s.cur
	s.cutAt, s.cutMoves, s.cutArcs, s.cutNotes = len(l.text), len(l.moves), len(l.arcs), len(l.notes)
	s.cutX, s.cutY, s.cutF, s.cutLine = s.st.x, s.st.y, s.st.f, s.line
	s.cutRaft, s.cutBeads = false, false
	mark := s.cutAt
	if l.beads > 0 && !l.preamble {
		s.cutBack()
	}
	s.cutMark = mark - s.cutAt
	return nil
}

// cutBack moves the possible cut back to the end of the last bead.
func (s *scanner) cutBack() {
	l := s.cur
	for s.cutMoves > 0 && !l.moves[s.cutMoves-1].is(isBead) {
		s.cutMoves--
		if at := l.moves[s.cutMoves].arc; at >= 0 {
			s.cutArcs = int(at)
		}
	}
	if s.cutMoves == 0 { // the bead went out with an earlier piece of a big layer
		s.cutMoves, s.cutArcs = len(l.moves), len(l.arcs)
		return
	}
	last := &l.moves[s.cutMoves-1]
	s.cutAt = int(last.end)
	s.cutX, s.cutY, s.cutF = last.x, last.y, last.f
	s.cutLine -= bytes.Count(l.text[s.cutAt:], []byte("\n"))
	for s.cutNotes > 0 && l.notes[s.cutNotes-1].off >= last.end {
		s.cutNotes--
	}
}

// cut ends the current layer at the possible cut and makes what follows it the new one.
func (s *scanner) cut() error {
	s.copyUp(s.pos)
	old, next := s.cur, s.take()
	next.line, next.startX, next.startY, next.startF = s.cutLine, s.cutX, s.cutY, s.cutF
	next.raft, next.mark = s.cutRaft, uint32(s.cutMark)
	next.text = append(next.text, old.text[s.cutAt:]...)
	old.text = old.text[:s.cutAt]
	for _, m := range old.moves[s.cutMoves:] {
		m.off -= uint32(s.cutAt)
		m.end -= uint32(s.cutAt)
		if m.arc >= 0 {
			m.arc -= int32(s.cutArcs)
		}
		if m.is(isBead) {
			next.beads++
			old.beads--
		}
		next.moves = append(next.moves, m)
	}
	for _, n := range old.notes[s.cutNotes:] {
		next.notes = append(next.notes, labelNote{n.off - uint32(s.cutAt), n.end - uint32(s.cutAt), n.kind})
	}
	next.arcs = append(next.arcs, old.arcs[s.cutArcs:]...)
	old.moves, old.arcs, old.notes = old.moves[:s.cutMoves], old.arcs[:s.cutArcs], old.notes[:s.cutNotes]
	old.part = old.part || s.big
	s.cur, s.cutAt, s.big = next, -1, false
	s.base = len(next.text)
	return s.emit(old)
}

// tooBig reports whether the current layer holds as much as it may.
func (s *scanner) tooBig() bool {
	limit := maxLayer
	if s.cur.preamble {
		limit = maxPreamble
	}
	return s.offset() > limit || len(s.cur.moves) > maxMoves
}

// split hands on what has been read of a layer that is too big to hold. Its walls stay flat.
func (s *scanner) split() error {
	if s.cutAt >= 0 {
		if err := s.cut(); err != nil || !s.tooBig() {
			return err
		}
	}
	s.copyUp(s.pos)
	old, next := s.cur, s.take()
	next.preamble, next.raft, next.line = old.preamble, old.raft, s.line+1
	next.startX, next.startY, next.startF = s.st.x, s.st.y, s.st.f
	if !old.preamble {
		next.walls, next.floor = old.walls, old.floor
		old.part, s.big, s.facts.tooBig = true, true, true
	}
	s.cur, s.base = next, 0
	return s.emit(old)
}

// flush hands on the last layer.
func (s *scanner) flush() error {
	s.cur.part = s.cur.part || s.big
	return s.emit(s.cur)
}
