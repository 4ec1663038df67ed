package brick

import (
	"bytes"
	"fmt"
	"strings"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// checkHead refuses what is no text.
func checkHead(head []byte) error {
	if len(head) == 0 {
		return &InputError{Label: Empty, Text: "the file is empty: slice the model again"}
	}
	if i := bytes.IndexByte(head, 0); i >= 0 {
		return &InputError{Label: BinaryData, Line: 1 + bytes.Count(head[:i], []byte("\n")),
			Text: "holds a NUL byte: " + noText}
	}
	controls := 0
	sniffed := head[:min(len(head), 64<<10)]
	for _, c := range sniffed {
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f {
			controls++
		}
	}
	if controls*200 > len(sniffed) {
		return &InputError{Label: BinaryData,
			Text: fmt.Sprintf("%d of the first %d bytes are no text: %s", controls, len(sniffed), noText)}
	}
	return nil
}

const noText = "this is no G-code, export the print as .gcode, .bgcode or .gcode.3mf"

// judge says of a file that was read to its end whether it was a print at all, and why nothing was done if so.
func (p *pipeline) judge(res *Result) error {
	f := &p.scan.facts
	st := &res.Stats
	st.LinesIn, st.BytesIn = p.scan.line, f.bytes
	st.in = f.filament
	st.Dialect = f.dialect
	for r := range st.out {
		st.out[r] += st.in[r]
	}
	st.finish()
	if f.moves*100 < p.scan.line || f.moves == 0 {
		return &InputError{Label: NoMotion, Text: fmt.Sprintf("%d of %d lines are moves, too few for a print: "+
			"upload the file the slicer exported", f.moves, p.scan.line)}
	}
	if f.beads < minBeads {
		return &InputError{Label: NoExtrusion, Text: fmt.Sprintf("%d moves push out plastic, too few for a print: "+
			"this may be a program for a mill or a laser", f.beads)}
	}
	if p.scan.pending != nil {
		return p.scan.pending
	}
	if st.LinesEdited == 0 {
		res.Reason, res.Detail = p.whyNothing(st)
	}
	for _, w := range []struct {
		reason Reason
		is     bool
	}{
		{RelativeXYZ, f.relative},
		{BadHeight, st.held[holdHeight] > 0},
		{DefaultWidth, p.cfg.InnerWidth == 0 || p.cfg.Nozzle == 0},
		{StepLarge, st.MostHeight*mm*p.opt.MaxRaise > float64(p.nozzle())/4},
		{LayerTooBig, f.tooBig},
	} {
		if w.is {
			res.Warnings = append(res.Warnings, w.reason)
		}
	}
	return nil
}

func (p *pipeline) nozzle() int64 {
	if p.cfg.Nozzle > 0 {
		return p.cfg.Nozzle
	}
	return dialect.DefaultNozzle
}

func (p *pipeline) whyNothing(st *Stats) (Reason, string) {
	f := &p.scan.facts
	slicer := p.cfg.Slicer
	if slicer == "" {
		slicer = "its slicer"
	}
	switch {
	case f.wallLabels == 0:
		return UnknownDialect, "no comments that label walls: switch on verbose or labelled G-code in " + slicer
	case f.layerMarks == 0:
		return NoLayers, "no comments that announce layers: use the layer change comments of " + slicer
	case p.cfg.Spiral || st.Loops == 0 && f.climbing*2 > f.external:
		return SpiralVase, "sliced as a spiral vase, whose single wall has nothing to interlock with"
	case st.Loops == 0 && p.cfg.Walls == 1:
		return SingleWall, "sliced with one wall: use two or more"
	case st.Loops == 0:
		return NoInnerWalls, "no walls behind the visible one: slice with two walls or more"
	}
	var held []string
	for reason, n := range st.Held {
		held = append(held, fmt.Sprintf("%s %d", reason, n))
	}
	return NothingToRaise, "no loop could be raised: " + strings.Join(held, ", ")
}
