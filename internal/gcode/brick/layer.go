package brick

// Lengths are nanometres in an int32 (±2147 mm), extrusion is nanometres of filament: exact for every number a slicer
// writes, and half the size of a float64.

import "bricklayers.dev/bricklayers/internal/gcode/dialect"

const (
	micron = 1_000
	mm     = 1_000_000
)

// A layer is one unit of work: the text between two layer changes and what was found in it. Layers are recycled, so
// every slice keeps its capacity.
type layer struct {
	text  []byte
	line  int // number of the first line, 1-based
	moves []move
	arcs  []arc
	// set by the scanner
	startX, startY int32  // where the head is before the first move
	startF         int32  // feed rate in force there
	preamble       bool   // what precedes the first layer change
	raft           bool   // numbered below zero by the slicer
	mark           uint32 // where the layer change is announced; what stands before it belongs to the layer below
	part           bool   // a piece of a layer that is too big to hold
	floor          int32  // lowest wall bead; only with walls
	walls          bool   // has beads under a wall label
	beads          int    // extruding XY moves of any kind
	declared       int32  // height the slicer states where the first wall begins; 0 unknown
	width          int32  // widest wall the slicer states; 0 unknown

	// set by the analysis
	notes    []labelNote
	loops    []loop
	points   []point
	boxes    []box
	contours []contour
	cells    []cell
	grid     grid
	probes   [maxProbes]point // scratch
	order    []ranked         // scratch

	// set by the column builder
	number  int   // 1-based within its object; 0 when not a layer of an object
	height  int32 // above the layer below; 0 when not known or not sane
	restart bool  // nothing of this layer carries a raised loop of the next
	locked  bool  // must come out byte for byte
	sealed  bool  // so must the layer before it
	steady  bool  // heights are sane: loops may be raised
}

// A move is a G0–G3 or G92 line.
type move struct {
	off, end uint32 // its line in layer.text, terminator included
	x, y, z  int32  // position after it
	e        int32  // filament pushed out; negative when pulled back
	f        int32  // feed rate in force, 1/1000 mm/min; 0 unknown
	arc      int32  // index of its centre in layer.arcs, or of its value for setE; -1 for none
	eAt      uint16 // the digits of its E word within the line
	eLen     uint8
	region   dialect.Region
	flags    flags
}

// A labelNote is a line that says what the beads behind it are, or one of settings.
type labelNote struct {
	off, end uint32
	kind     dialect.Note // Feature, Height, Width or noteSetting
}

// noteSetting marks a command that is one of settings.
const noteSetting dialect.Note = 255

// An arc is the centre of a G2 or G3 relative to its start. For a G92, i holds the value given to E.
type arc struct {
	i, j      int64
	clockwise bool
	radius    bool // given as R: the centre is not known
}

type flags uint32

const (
	isBead       flags = 1 << iota // lays plastic: filament goes out while XY moves
	movesXY                        // changes X or Y (or turns a full circle)
	hasXY                          // has an X or Y word
	hasBoth                        // has an X and a Y word
	hasZ                           // has a Z word
	hasE                           // has an E word
	absoluteE                      // its E word is a position, not a length
	linear                         // G0 or G1
	relative                       // XYZ words are lengths (G91)
	breaksRun                      // something before it ends a wall run: object, tool, unknown position
	unknownZ                       // the height of the head is not known
	setsE                          // G92 with E: moves the origin of the E axis
	setsXYZ                        // G92 with X, Y or Z
	turned                         // under G18 or G19: arcs are not in XY
	hasF                           // has an F word
	afterCommand                   // a command that is no setting stands between it and the move before
	afterRetract                   // so does a G10 or G11, which retract or prime by themselves, or an M82 or M83
)

func (m *move) is(f flags) bool { return m.flags&f != 0 }

// reset makes l an empty layer that keeps its memory.
func (l *layer) reset() {
	*l = layer{
		text: l.text[:0], moves: l.moves[:0], arcs: l.arcs[:0], notes: l.notes[:0],
		loops: l.loops[:0], points: l.points[:0], boxes: l.boxes[:0],
		contours: l.contours[:0], cells: l.cells[:0], grid: l.grid, order: l.order[:0],
	}
}

// lineOf returns the number of the line at offset off, for messages.
func (l *layer) lineOf(off uint32) int {
	n := l.line
	for _, c := range l.text[:off] {
		if c == '\n' {
			n++
		}
	}
	return n
}
