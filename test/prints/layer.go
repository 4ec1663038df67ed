package prints

import "math"

const (
	lineWidth = 0.45
	wallFeed  = 1800
	fillFeed  = 3600
)

// spacing is the distance of neighbouring beads: a bead is a rectangle with round ends, and neighbours overlap there.
func spacing(width, height float64) float64 { return width - height*(1-math.Pi/4) }

// perMM is the filament in mm that one mm of path takes.
func perMM(width, height float64) float64 {
	return height * spacing(width, height) / (math.Pi * 1.75 * 1.75 / 4)
}

// layer is what the writer knows while it writes one layer.
type layer struct {
	*document
	number int // of the object, 1 the first
	index  int // of the file, as it is announced
	height float64
	below  float64
	z      int
	region feature
	object int
	shrink float64
}

// say announces a region when it changes.
func (l *layer) say(f feature) {
	if l.region == f {
		return
	}
	l.region = f
	if label := l.d.labels[f]; label != "" {
		l.raw(fill3(l.d.region, label, 0, 0, 0, l.d))
	}
	if l.d.width != "" && f != none {
		l.raw(l.d.width + "0.45")
	}
}

func (l *layer) perMM() float64 { return perMM(lineWidth, l.height) }

// approach goes to the start of a loop or line and says what it is: most slicers when the nozzle is there and ready,
// Cura and ideaMaker before it comes down from a hop.
func (l *layer) approach(to point, f feature, speed float64) {
	changes := l.region != f
	if changes && l.o.has("hop-region-end") && l.region != none {
		l.pull()
		l.up(l.z + mm(l.d.lift))
	}
	l.travel(to, l.z, func() {
		if l.d.feedFirst {
			l.say(f)
		}
	})
	if changes && l.o.has("machine") {
		l.command("M73 P12 R34")
	}
	if changes && (l.o.has("machine") || l.o.Scene == "bushing") {
		l.acceleration(f)
	}
	l.say(f)
	l.setFeed(speed)
}

func (l *layer) acceleration(f feature) {
	value := map[bool]string{true: "1000", false: "2500"}[f == outer]
	if l.d.name == "orca" {
		l.raw("SET_VELOCITY_LIMIT ACCEL=" + value + " ACCEL_TO_DECEL=500")
		return
	}
	l.command("M204 P" + value)
}

// walls prints all contours of an object that stand on this layer.
func (l *layer) walls(o object) {
	for _, w := range o.walls {
		if l.number < w.from || l.number > w.to || l.spirals() && !w.marked {
			continue
		}
		for _, i := range l.order(w) {
			l.loop(o, w, i)
		}
		if l.o.has("gap") {
			l.gap(o, w)
		}
	}
}

// order of the rings of a wall.
func (l *layer) order(w wall) []int {
	var rings []int
	for i := w.first; i < w.rings; i++ {
		rings = append(rings, i)
	}
	if l.o.has("outer-first") {
		return rings
	}
	for i, j := 0, len(rings)-1; i < j; i, j = i+1, j-1 {
		rings[i], rings[j] = rings[j], rings[i]
	}
	if n := len(rings); l.o.has("inner-outer") && n > 2 && w.first == 0 {
		rings[n-1], rings[n-2] = rings[n-2], rings[n-1]
	}
	return rings
}

func (l *layer) outline(o object, s shape) shape { return s.at(o.dx+l.x, o.dy+l.y).inset(l.shrink) }

func (l *layer) loop(o object, w wall, i int) {
	s := l.outline(o, w.outline).inset(lineWidth/2 + float64(i)*spacing(lineWidth, l.o.Height))
	step := l.o.Step
	if l.o.has("square") {
		step = 0
	}
	r := s.ring(l.o.has("arcs") || l.o.has("r-arcs"), step)
	f := inner
	if i == 0 {
		f = outer
	}
	truth := Loop{
		Object: l.object, Contour: w.id, Layer: l.number, Ring: i, From: w.from, To: w.to, Visible: i == 0,
		Lone:   w.rings-max(w.first, 1) == 1,
		Height: l.height, Below: l.below,
	}
	if l.o.has("overhang-only") && w.marked && i == 1 && l.number > 3 {
		f, truth.Held = overhang, "unspecified"
		if l.d.labels[overhang] == l.d.labels[inner] {
			truth.Held = ""
		}
	}
	scarf := l.o.has("scarf") && w.marked && i <= 1 && l.number > 1
	switch {
	case scarf, l.o.has("r-arcs") && s.radius > 0:
		truth.Held = "loop_has_z"
	case l.o.has("g91-wall") && w.marked && l.number > 1:
		truth.Held = "unspecified"
	case w.first == 1 && w.rings == 2 && r.length() < 5:
		truth.Held = "lone_short"
	}
	if l.o.has("g92") && i == 2 && l.o.absolute(l.d) {
		l.resetE()
	}
	if l.spirals() {
		l.say(f)
		l.setFeed(wallFeed)
	} else {
		l.approach(r.start, f, wallFeed)
	}
	if l.o.has("g91-wall") && w.marked && i == 1 {
		l.macro()
	}
	truth.FirstLine = l.line + 1
	l.beads(r, f, scarf, i)
	truth.LastLine = l.line
	l.each(truth)
}

// spirals says whether the layer is a turn of one wall that climbs without end.
func (l *layer) spirals() bool { return l.o.has("vase") && l.number > 1 }

// beads draws a wall loop.
func (l *layer) beads(r ring, f feature, scarf bool, i int) {
	comment := "perimeter (E9 Z9)" // words that are none
	for n, s := range r.segs {
		climb := 0
		switch {
		case scarf && n < 4:
			climb = l.z - mm(l.height)*(4-n)/16
		case scarf:
			climb = l.z
		case l.spirals():
			climb = l.z - mm(l.height)*(len(r.segs)-n-1)/len(r.segs)
		}
		if l.o.has("machine") && i == 1 && n == len(r.segs)/2 {
			if l.d.width != "" {
				l.raw(l.d.width + "0.449999")
			}
			l.command("M106 S127.5")
		}
		if relabel := l.o.has("overhang") && i == 1; relabel && n == len(r.segs)/3 {
			l.say(overhang)
			l.setFeed(900)
		} else if relabel && n == len(r.segs)*2/3 {
			l.say(f)
			l.setFeed(wallFeed)
		}
		l.bead(s, l.perMM(), wallFeed, climb, comment)
	}
}

// gap fills a sliver beside the innermost loop.
func (l *layer) gap(o object, w wall) {
	s := l.outline(o, w.outline)
	in := s.inset(lineWidth + float64(w.rings)*spacing(lineWidth, l.o.Height))
	from := point{mm(in.cx + in.width/2), mm(in.cy)}
	l.approach(from, gapFill, wallFeed)
	for n := 1; n <= 3; n++ {
		l.bead(seg{to: point{from.x, from.y - 300*n}}, l.perMM()*0.6, wallFeed, 0, "gap fill")
	}
}

// infill prints what is inside the walls: solid near the bottom and the top, sparse between.
func (l *layer) infill(o object) {
	for _, f := range o.fills {
		if l.number < f.from || l.number > f.to || l.spirals() {
			continue
		}
		kind, pitch := sparse, spacing(lineWidth, l.o.Height)/0.15
		switch {
		case f.lid && l.number == f.from:
			kind = bridge
		case l.number == f.to:
			kind = top
		case f.onPlate && l.number-f.from < 3, f.to-l.number < 3, f.lid && l.number-f.from < 3:
			kind = solid
		}
		if kind != sparse {
			pitch = spacing(lineWidth, l.o.Height)
		}
		l.area(o, f, kind, pitch)
		if kind == top && l.o.has("ironing") {
			l.area(o, f, ironing, pitch/2)
		}
	}
}

func (l *layer) area(o object, f fill, kind feature, pitch float64) {
	deep := float64(f.walls)*spacing(lineWidth, l.o.Height) + 0.4*lineWidth // a tenth of a width into the wall
	var holes []shape
	for _, h := range f.holes {
		holes = append(holes, l.outline(o, h).inset(deep))
	}
	angle := math.Pi / 4
	if l.number%2 == 0 {
		angle = -angle
	}
	flow := l.perMM()
	if kind == ironing {
		flow *= 0.15
	}
	for _, line := range raster(l.outline(o, f.outer).inset(deep), holes, pitch, angle) {
		l.approach(line[0], kind, fillFeed)
		for _, to := range line[1:] {
			l.bead(seg{to: to}, flow, fillFeed, 0, "infill")
		}
	}
}

// loopAround prints a plain circle of another kind: a skirt, a raft line, support, a prime tower.
func (l *layer) loopAround(s shape, f feature) {
	r := s.ring(false, l.o.Step)
	l.approach(r.start, f, fillFeed)
	for _, g := range r.segs {
		l.bead(g, l.perMM(), fillFeed, 0, "skirt")
	}
}

// macro is what users paste into their slicer: a lift and back in relative positioning.
func (l *layer) macro() {
	l.command("G91")
	l.command("G1 Z2 F600")
	l.command("G1 Z-2 F600")
	l.command("G90")
	l.feed = 600
}
