package brick

import (
	"bytes"
	"fmt"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

const (
	flushSize = 128 << 10
	maxUnsaid = 8 << 20
)

// output writes layers and the header stamp. It keeps them back until the first edit, because a file that needs none
// must come out as it went in, without the stamp. The stamp goes behind the first line, which some hosts read to
// recognise the slicer. When more than maxUnsaid has gone by without an edit it is let go, and the stamp goes before
// the first edited layer instead.
type output struct {
	w       io.Writer
	stamp   []byte
	kept    []byte
	edited  bool
	flushed bool // something went to w
	written int64
	err     error

	digest   string // of the input, as it stands in the stamp
	digestAt int64  // and where that is, -1 for nowhere
}

// add takes the text of a layer.
func (o *output) add(text []byte, edited bool) {
	if edited && !o.edited {
		o.edited = true
		if !o.flushed && len(o.kept) == 0 {
			line, _ := lex.NextLine(text)
			o.kept = append(o.kept, line...)
			text = text[len(line):]
		}
		o.addStamp()
	}
	if o.edited && len(o.kept)+len(text) >= flushSize || len(o.kept)+len(text) >= maxUnsaid {
		o.flush()
		o.write(text)
		return
	}
	o.kept = append(o.kept, text...)
}

func (o *output) addStamp() {
	at := len(o.kept)
	if !o.flushed {
		line, _ := lex.NextLine(o.kept)
		at = len(line)
	}
	if i := bytes.Index(o.stamp, []byte(o.digest)); i >= 0 && o.digest != "" {
		o.digestAt = o.written + int64(at+i)
	}
	rest := bytes.Clone(o.kept[at:])
	o.kept = append(append(o.kept[:at], o.stamp...), rest...)
}

func (o *output) flush() {
	o.write(o.kept)
	o.kept = o.kept[:0]
}

func (o *output) write(text []byte) {
	if len(text) == 0 || o.err != nil {
		return
	}
	n, err := o.w.Write(text)
	o.written += int64(n)
	if err != nil {
		o.err = fmt.Errorf("write output: %w", err)
	}
	o.flushed = true
}

// eolOf returns how the first line of text ends.
func eolOf(text []byte) []byte {
	if line, _ := lex.NextLine(text); bytes.HasSuffix(line, []byte("\r\n")) {
		return []byte("\r\n")
	}
	return []byte("\n")
}
