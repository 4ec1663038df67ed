// Package check compares a bricked print with the one it was made from and says which invariants of a good result hold.
//
// It trusts nothing the transform says of itself. It has its own tokenizer and its own idea of the machine, reads both
// files side by side, one layer at a time, and looks at what a printer would lay where:
//
//	token.go label.go    a line, and what a comment announces
//	machine.go           where the nozzle is and what it extrudes
//	segment.go           the text between two layer markers
//	align.go edit.go     which output line was which input line, and what was changed in it
//	around.go            the same where loops have changed places
//	identical.go         what must be the same bytes, and stamps
//	beads.go             which output bead was which input bead
//	loop.go geometry.go  wall loops, contours and their footprints
//	height.go flow.go    is each loop at a right height, with the right amount of filament
//	column.go            do the loops of a wall alternate, on all layers, and lie flat where they end
//	nozzle.go rods.go    does the nozzle run into what it laid
//	archive.go blocks.go the containers
package check

import (
	"fmt"
	"io"
)

// Order is the order in which the loops of a wall are printed.
type Order string

const (
	// Slicer is the order of the input.
	Slicer Order = "slicer"
	// Contour lays the flat loops of a contour first, then the raised ones.
	Contour Order = "contour"
)

// Options say what the transform was asked to do, and how strictly to judge.
type Options struct {
	Order      Order             // default Slicer
	StartLayer int               // first layer of an object that may be raised, default 2
	Ignored    func(n int) bool  // layers of an object that were to be left alone; may be nil
	Multiplier float64           // flow of the inner walls; 0 for the curve called auto
	Nozzle     float64           // diameter in mm, default 0.4
	Width      float64           // of an inner wall in mm, default 0.45
	Ramp       int               // layers over which a column climbs, default 2
	MaxRaise   float64           // how far a loop rises at most, as a share of its layer's height, default 0.5
	LoneFlat   bool              // loops that are the only one behind their visible wall were to stay flat
	Up, Down   string            // stamps of the lines that raise and lower the nozzle
	Exact      bool              // the print is a simple one: parity and caps must be perfect, not just good
	Each       func(LoopMeasure) // is told every inner loop; may be nil
}

// LoopMeasure is what became of one loop that has an inner label and no outer one.
type LoopMeasure struct {
	InLine, OutLine int // of its first bead
	Layer           int
	Height          float64 // of the layer, in mm
	Raised          float64 // above its plane, in mm
	Flow            float64 // filament, as a multiple of the input's
}

func (o Options) withDefaults() Options {
	if o.Order == "" {
		o.Order = Slicer
	}
	if o.StartLayer < 2 {
		o.StartLayer = 2
	}
	if o.Ignored == nil {
		o.Ignored = func(int) bool { return false }
	}
	if o.Nozzle == 0 {
		o.Nozzle = 0.4
	}
	if o.Width == 0 {
		o.Width = 0.45
	}
	if o.Ramp == 0 {
		o.Ramp = 2
	}
	if o.MaxRaise == 0 {
		o.MaxRaise = 0.5
	}
	if o.Up == "" {
		o.Up = "; brick up"
	}
	if o.Down == "" {
		o.Down = "; brick down"
	}
	if o.Each == nil {
		o.Each = func(LoopMeasure) {}
	}
	return o
}

// Compare reads the input and the output of the transform and reports on each invariant. It holds a few layers of each
// in memory. The error is one of reading; a bad output is in the report.
func Compare(in, out io.Reader, opt Options) (*Report, error) {
	c := &checker{
		opt: opt.withDefaults(), report: newReport(),
		in: newSegmenter(in, "input"), out: newSegmenter(out, "output"),
	}
	var oldIn, oldOut *segment
	for {
		a, err := c.in.read(oldIn)
		if err != nil {
			return nil, err
		}
		b, err := c.out.read(oldOut)
		if err != nil {
			return nil, err
		}
		if a == nil || b == nil {
			c.endedEarly(a, b)
			break
		}
		c.pair(a, b)
		oldIn, oldOut = a, b
	}
	c.finish()
	return c.report, nil
}

// checker is the state of a comparison.
type checker struct {
	opt    Options
	report *Report
	in     *segmenter
	out    *segmenter

	layer   *layer // being compared
	waiting *layer // the last layer of walls, until it is known what is above it
	number  int    // of the last layer of the object
	totals  totals
	stamps  stamps // behind the last bead of the segment before
}

// pair compares a segment of the input with the segment of the output that should be the same layer.
func (c *checker) pair(in, out *segment) {
	c.layer = c.place(in)
	c.findLoops(in)
	paired := c.matchBeads(in, out)
	c.checkHeights(in, out, paired)
	c.checkFlow(in, out, paired)
	if c.opt.Order == Slicer {
		c.align(in, out)
	} else {
		c.alignAround(in, out, paired)
	}
	c.checkIdentical(in, out)
	c.checkStamps(in, out, paired)
	c.checkNozzle(in, out, paired)
	c.checkTravel(in, out)
	c.stack()
}

func (c *checker) endedEarly(in, out *segment) {
	switch {
	case in != nil:
		c.report.add("I14", in.line, c.out.line, "the output ends before layer %q", firstLine(in))
	case out != nil:
		c.report.add("I14", c.in.line, out.line, "the output has a layer that the input has not: %q", firstLine(out))
	}
}

func firstLine(g *segment) string {
	if len(g.commands) == 0 {
		return ""
	}
	return string(g.lineText(0))
}

// place says which layer of which object a segment is.
func (c *checker) place(in *segment) *layer {
	l := &layer{marked: in.marked, line: in.line}
	for _, b := range in.beads {
		m := &in.moves[b]
		if m.class.wall() && in.marked && !in.negative {
			l.walls = true
			break
		}
	}
	if !l.walls {
		if len(in.beads) > 0 && c.number > 0 {
			c.number++
		}
		return l
	}
	l.floor = floorOf(in)
	if before := c.waiting; before == nil || l.floor < before.floor-sameHeight {
		c.number = 0
	} else {
		l.height = l.floor - before.floor
		l.below = before
	}
	c.number++
	l.number = c.number
	l.ignored = c.opt.Ignored(l.number)
	l.locked = l.number < c.opt.StartLayer || l.ignored
	stated := micrometres(in.height)
	l.steady = l.number > 1 && saneHeight(l.height, stated, c.opt.Nozzle)
	return l
}

const sameHeight = 2 // micrometres

// floorOf is the height at which the walls of a layer stand. Beads that climb do not say.
func floorOf(in *segment) int32 {
	const none = 1 << 30
	level, any := int32(none), int32(none)
	for _, b := range in.beads {
		m := &in.moves[b]
		if !m.class.wall() {
			continue
		}
		any = min(any, m.z)
		if !m.climbs {
			level = min(level, m.z)
		}
	}
	if level == none {
		return any
	}
	return level
}

func saneHeight(h, stated int32, nozzle float64) bool {
	if h < 20 || float64(h) > min(900*nozzle, 1200) {
		return false
	}
	off := max(stated-h, h-stated)
	return stated == 0 || off*10 <= h+10*sameHeight
}

// finish judges what can only be judged of the whole file.
func (c *checker) finish() {
	if c.waiting != nil {
		c.judge(c.waiting, nil)
	}
	c.judgeStamps(nil, c.out.line)
	c.finishFlow()
	c.finishLines()
	c.finishNozzle()
	if c.totals.inner == 0 && c.totals.changed > 0 {
		c.report.add("I23", 0, c.totals.changedAt, "%d lines differ though the input has no inner walls", c.totals.changed)
	}
}

// totals are figures of the whole file.
type totals struct {
	inner, raised int // loops
	lines         lineTotals
	flow          flowTotals
	nozzle        nozzleTotals
	columns       columnTotals
	changed       int // output lines that are not as in the input
	changedAt     int
}

func mm(v int32) string { return fmt.Sprintf("%.3f", float64(v)/1000) }
