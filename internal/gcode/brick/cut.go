package brick

// Cutting the scanned text into layers.

// possibleCut remembers that a layer change was announced on the current line.
func (s *scanner) possibleCut() error {
	if s.cutAt >= 0 {
		if !s.cutBeads {
			return nil // announced twice
		}
		if err := s.cut(); err != nil {
			return err
		}
	}
	s.cutAt, s.cutMoves, s.cutArcs = s.offset(), len(s.cur.moves), len(s.cur.arcs)
	s.cutNotes = len(s.cur.notes)
	s.cutX, s.cutY, s.cutLine = s.st.x, s.st.y, s.line
	s.cutF, s.cutRaft, s.cutBeads = s.st.f, false, false
	return nil
}

// cut ends the current layer at the possible cut and makes what follows it the new one.
func (s *scanner) cut() error {
	s.copyUp(s.pos)
	old, next := s.cur, s.take()
	next.line, next.startX, next.startY, next.startF, next.raft = s.cutLine, s.cutX, s.cutY, s.cutF, s.cutRaft
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
