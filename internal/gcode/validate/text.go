package validate

import (
	"bytes"
	"slices"
)

// How much of a text is checked line by line.
const (
	fullCheck  = 4 << 20 // from the start
	sampleStep = 2 << 20 // then, from the start of one sample to that of the next
	sampleSize = 64 << 10
	tailSize   = 64 << 10
)

// text cuts G-code into lines and hands those that are to be checked to machine, which knows what they mean.
type text struct {
	machine
	opts   Options
	offset int64  // bytes seen
	line   []byte // the beginning of a line whose end was not seen yet
	broken bool   // the line's beginning was skipped

	headSeen int // of the first headSize bytes of the text
	control  int // control characters among them

	skipping  bool
	skippedAt int64
	checkTo   int64  // the sample or the full check ends with the line that reaches this offset
	tail      []byte // what was skipped last, a ring
	tailEnd   int    // where in it the next byte goes
}

func newText(opts Options) *text {
	t := &text{opts: opts, checkTo: fullCheck}
	t.machine.reset(opts.Force)
	return t
}

func (t *text) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		var err error
		if t.skipping {
			rest = t.skip(rest)
		} else {
			rest, err = t.check(rest)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// check takes one line, or the beginning of one, off p.
func (t *text) check(p []byte) (rest []byte, err error) {
	end := bytes.IndexByte(p, '\n') + 1
	piece := p[:end]
	if end == 0 {
		piece = p
	}
	allowed := t.opts.MaxLine - len(t.line)
	if err := t.checkHead(piece[:min(len(piece), allowed+1)]); err != nil {
		return nil, err
	}
	t.offset += int64(len(piece))
	if len(piece) > allowed {
		return nil, reject(ReasonLineTooLong, "the line after %s is longer than %d bytes: this is no G-code a printer reads",
			t.at(), t.opts.MaxLine)
	}
	if end == 0 || len(t.line) > 0 {
		t.line = append(t.line, piece...)
		piece = t.line
	}
	if end == 0 {
		return nil, nil
	}
	if t.broken {
		t.broken = false
	} else if err := t.read(piece); err != nil {
		return nil, err
	}
	t.line = t.line[:0]
	if t.offset >= t.checkTo {
		t.skipping, t.skippedAt = true, t.offset
		return p[end:], t.decide()
	}
	return p[end:], nil
}

// skip takes what lies before the next sample off p.
func (t *text) skip(p []byte) (rest []byte) {
	sample := (t.skippedAt/sampleStep + 1) * sampleStep
	n := int(min(int64(len(p)), sample-t.offset))
	t.keep(p[:n])
	t.offset += int64(n)
	if t.offset == sample {
		t.resume(sample + sampleSize)
	}
	return p[n:]
}

// resume begins to check again, from the next whole line on.
func (t *text) resume(to int64) {
	t.skipping, t.broken, t.checkTo = false, true, to
	t.forget()
}

// keep puts skipped bytes into the ring.
func (t *text) keep(p []byte) {
	if t.tail == nil {
		t.tail = make([]byte, tailSize)
	}
	p = p[max(0, len(p)-tailSize):]
	for len(p) > 0 {
		n := copy(t.tail[t.tailEnd:], p)
		p = p[n:]
		t.tailEnd = (t.tailEnd + n) % tailSize
	}
}

// checkTail checks the end of a text that was being skipped.
func (t *text) checkTail() error {
	skipped := t.offset - t.skippedAt
	tail := slices.Concat(t.tail[t.tailEnd:], t.tail[:t.tailEnd])
	tail = tail[max(0, tailSize-skipped):]
	t.skipping, t.checkTo = false, t.offset+tailSize // that is, never again
	if skipped > tailSize {
		t.resume(t.checkTo)
	}
	t.offset -= int64(len(tail))
	for len(tail) > 0 {
		var err error
		if tail, err = t.check(tail); err != nil {
			return err
		}
	}
	return nil
}

// finish checks what is left and judges the text as a whole.
func (t *text) finish(r *Result) error {
	if t.offset == 0 {
		return reject(ReasonEmpty, "there is no G-code in it: slice the model again")
	}
	if t.skipping && t.offset > t.skippedAt {
		if err := t.checkTail(); err != nil {
			return err
		}
	}
	if err := t.checkControl(); err != nil {
		return err
	}
	if len(t.line) > 0 && !t.broken {
		if err := t.readLast(t.line); err != nil {
			return err
		}
	}
	return t.judge(t.opts.Strict, r)
}

const headSize = 64 << 10

// checkHead refuses what is no text by its first bytes.
func (t *text) checkHead(p []byte) error {
	if t.headSeen == headSize {
		return nil
	}
	for _, c := range p[:min(len(p), headSize-t.headSeen)] {
		if c == 0 {
			return reject(ReasonBinaryData, "byte %d is NUL: this is no G-code, export the print as .gcode, .bgcode or "+
				".gcode.3mf", t.headSeen)
		}
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7F {
			t.control++
		}
		t.headSeen++
	}
	if t.headSeen == headSize {
		return t.checkControl()
	}
	return nil
}

// checkControl refuses text of which more than one byte in 200 is a control character.
func (t *text) checkControl() error {
	if t.control*200 > t.headSeen {
		return reject(ReasonBinaryData, "%d control characters in the first %d bytes: this is no G-code",
			t.control, t.headSeen)
	}
	return nil
}
