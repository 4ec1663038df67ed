package brick

import (
	"bytes"
	"fmt"

	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// Output is kept back until the first edit, because a file that needs none must come out as it went in, without the
// header stamp. The stamp goes behind the first line, which some hosts read to recognise the slicer. When more than
// maxUnsaid has gone by without an edit, it is let go, and the stamp goes before the first edited line instead.

// edit notes that the line at off of the current layer is about to be edited.
func (e *emitter) edit(off uint32) {
	e.stats.LinesEdited++
	if e.edited {
		return
	}
	e.edited = true
	e.stats.LinesAdded++
	if e.flushed {
		e.copyTo(off)
		e.out = append(e.out, header(e.opt, e.eol)...)
		return
	}
	if len(e.out) == 0 {
		e.copyTo(off)
	}
	line, _ := lex.NextLine(e.out)
	stamped := append(bytes.Clone(line), header(e.opt, e.eol)...)
	e.out = append(stamped, e.out[len(line):]...)
}

// copyTo writes the text of the current layer up to offset to.
func (e *emitter) copyTo(to uint32) {
	if e.eol == nil && len(e.l.text) > 0 {
		e.eol = []byte("\n")
		if line, _ := lex.NextLine(e.l.text); bytes.HasSuffix(line, []byte("\r\n")) {
			e.eol = []byte("\r\n")
		}
	}
	if to > e.pos {
		e.out = append(e.out, e.l.text[e.pos:to]...)
		e.pos = to
	}
	if len(e.out) >= maxUnsaid || e.edited && len(e.out) >= flushSize {
		e.flush()
	}
}

func (e *emitter) flush() {
	if len(e.out) == 0 || e.err != nil {
		e.out = e.out[:0]
		return
	}
	n, err := e.w.Write(e.out)
	e.stats.BytesOut += int64(n)
	if err != nil {
		e.err = fmt.Errorf("write output: %w", err)
	}
	e.out, e.flushed = e.out[:0], true
}
