package prints

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
)

// document is a print being written.
type document struct {
	*pen
	each       func(Loop)
	x, y       float64 // centre of the print on the bed
	numbered   int     // layers announced so far
	objects    []object
	sequential bool
}

// Write prints to w as it goes: the memory it takes does not depend on the size of the print. Each wall loop is told to
// each, which may be nil, once it is written.
func Write(w io.Writer, o Options, each func(Loop)) error {
	o, d, err := o.complete()
	if err != nil {
		return err
	}
	if each == nil {
		each = func(Loop) {}
	}
	doc := &document{pen: newPen(w, o, d), each: each, x: 110, y: 80, objects: scenes[o.Scene](o)}
	doc.sequential = o.has("sequential")
	doc.header()
	doc.body()
	doc.footer()
	if doc.err != nil {
		return fmt.Errorf("write print: %w", doc.err)
	}
	if err := doc.w.Flush(); err != nil {
		return fmt.Errorf("write print: %w", err)
	}
	return nil
}

func (d *document) body() {
	if d.sequential {
		for i := range d.objects {
			if i > 0 {
				d.pull()
				d.lower(d.z + 20000)
				d.resetE()
			}
			d.layers([]int{i})
		}
		return
	}
	all := make([]int, len(d.objects))
	for i := range all {
		all[i] = i
	}
	d.layers(all)
}

// layers prints some objects from the bed to their top.
func (d *document) layers(which []int) {
	z, below := 0.0, 0.0
	if d.o.has("raft") {
		z = d.raft()
	}
	last := 0
	for _, i := range which {
		last = max(last, d.objects[i].last)
	}
	for n := 1; n <= last; n++ {
		l := &layer{document: d, number: n, height: d.heightOf(n), below: below}
		z += l.height
		l.z = mm(z)
		below = l.height
		if d.o.has("taper") {
			l.shrink = 0.02 * float64(n-1)
		}
		l.announce(n - 1)
		l.print(which)
		if d.o.has("support") && n%3 == 0 && n < last {
			d.supportLayer(mm(z) + mm(l.height)/2)
		}
	}
}

// heightOf a layer in mm; with adaptive layers it varies as it does on a curved part.
func (d *document) heightOf(n int) float64 {
	if n == 1 {
		return d.o.FirstHeight
	}
	if d.o.has("adaptive") {
		return []float64{0.2, 0.16, 0.12, 0.16, 0.24, 0.28}[n%6]
	}
	return d.o.Height
}

// announce writes the layer markers and what slicers do between layers.
func (l *layer) announce(index int) {
	if l.d.name == "cura" || l.d.name == "ideamaker" {
		l.index = index
	} else {
		l.index = l.numbered
	}
	l.numbered++
	if l.d.layer != "" {
		l.raw(fill3(l.d.layer, "", l.index, l.z, mm(l.height), l.d))
	}
	for _, marker := range []string{l.d.plane, l.d.height} {
		if marker != "" {
			l.raw(fill3(marker, "", l.index, l.z, mm(l.height), l.d))
		}
	}
	if l.d.layer == ";LAYER_CHANGE" {
		l.raw(";BEFORE_LAYER_CHANGE")
		if l.o.has("both-markers") {
			l.rawf(";LAYER:%d", l.index)
		}
	}
	if (l.o.absolute(l.d) || l.d.layer == ";LAYER_CHANGE") && !l.o.has("no-reset") {
		l.resetE()
	}
	if l.d.layer == ";LAYER_CHANGE" {
		l.raw(";AFTER_LAYER_CHANGE")
	}
	if l.d.configTop && l.d.helix {
		l.raw("; update layer progress")
		l.command("M73 L" + strconv.Itoa(l.index+1))
		l.command("M991 S0 P" + strconv.Itoa(l.index) + " ;notify layer change")
	}
	if l.number == 2 {
		l.command("M104 S210")
		l.command("M106 S255")
	}
	if l.o.has("non-utf8") {
		l.raw("; pi\xe8ce caf\xe9 \xff\xfe")
		l.command("M117 caf\xe9")
	}
	if l.o.has("g91") && l.number > 1 {
		l.pull()
		l.macro()
	}
}

// print writes what the objects have on this layer.
func (l *layer) print(which []int) {
	if l.o.has("toolchange") {
		l.changeTool(0)
	}
	if l.number == 1 && !l.o.has("raft") {
		l.loopAround(circle(l.x-42, l.y-35, 5), skirt)
	}
	if l.number == 2 && l.spirals() { // from here on the nozzle does not leave the wall
		s := l.outline(l.objects[0], l.objects[0].walls[0].outline).inset(lineWidth / 2)
		l.travel(s.ring(false, 1).start, l.z-mm(l.height), func() {})
	}
	for _, i := range which {
		o := l.objects[i]
		l.object = i
		marked := len(l.objects) > 1 || l.o.has("by-layer")
		if marked {
			l.raw(fill2(l.d.object, i+1))
			l.region = none
		}
		if l.o.has("unlabelled-start") && l.number > 1 && i == which[0] {
			l.stray(o)
		}
		l.walls(o)
		l.infill(o)
		if l.o.has("toolchange") {
			l.changeTool(1)
			l.loopAround(circle(l.x-38, l.y+o.dy, 4), sparse)
			l.changeTool(0)
		}
		if marked {
			l.raw(fill2(l.d.objectEnd, i+1))
			l.region = none
		}
	}
}

// stray beads come before the first region marker of a layer, as OrcaSlicer leaves them.
func (l *layer) stray(o object) {
	l.travel(point{mm(l.x + o.dx - 30), mm(l.y + o.dy)}, l.z, func() {})
	l.bead(seg{to: point{l.at.x, l.at.y + 900}}, l.perMM(), wallFeed, 0, "perimeter")
}

func (l *layer) changeTool(n int) {
	l.pull()
	if l.d.helix {
		l.command("M620 S" + strconv.Itoa(n) + "A")
	}
	l.command("T" + strconv.Itoa(n))
	if l.d.helix {
		l.command("M621 S" + strconv.Itoa(n) + "A")
	}
	l.region = none
	l.loopAround(circle(l.x-40, l.y+30, 3+float64(n)), tower)
}

// raft prints two layers that belong to no object and returns the height they reach in mm.
func (d *document) raft() float64 {
	z := 0.0
	for n := -2; n < 0; n++ {
		z += 0.3
		l := &layer{document: d, number: 0, height: 0.3, z: mm(z)}
		l.announce(n)
		if d.d.name == "ideamaker" {
			d.raw(fill3(d.d.layer, "", n, 0, 0, d.d)) // ideaMaker says it twice
		}
		for r := 4.0; r < 24; r += 3 {
			l.loopAround(circle(d.x, d.y, r), raft)
		}
	}
	return z
}

// supportLayer is a layer between two layers of the object that only has support.
func (d *document) supportLayer(z int) {
	l := &layer{document: d, number: 0, height: d.o.Height / 2, z: z}
	if d.d.name == "cura" || d.d.name == "ideamaker" {
		return // their support has the layers of the object
	}
	l.announce(d.numbered)
	l.loopAround(circle(d.x-32, d.y-20, 4), support)
}

func (d *document) header() {
	if d.o.has("bom") {
		d.buf = append(d.buf[:0], "\xef\xbb\xbf"+d.d.generator...)
		d.flushLine()
	} else {
		d.raw(d.d.generator)
	}
	if d.d.name == "cura" {
		d.raw(";TIME:6666")
		d.rawf(";Layer height: %s", decimal(mm(d.o.Height), d.d))
	}
	if d.d.helix {
		d.raw("; BambuStudio 01.08.04.51")
		d.raw("; total layer number: " + strconv.Itoa(d.o.Layers))
		d.raw("; HEADER_BLOCK_END")
	}
	d.raw("")
	if d.o.Scene == "bushing" {
		d.thumbnail()
	}
	if d.o.has("long-line") {
		d.raw("; change_filament_gcode = " + strings.Repeat(`M620 S[next_extruder]A\n`, 21000/24))
	}
	if d.d.configTop {
		d.settings()
	}
	for _, s := range d.d.start {
		mode := "M83"
		if d.o.absolute(d.d) {
			mode = "M82"
		}
		d.command(strings.Replace(s, "%M83", mode, 1))
	}
	if d.o.has("inches") {
		d.command("G20")
	}
	d.pulled = false
}

// thumbnail is noise in the shape of a preview picture.
func (d *document) thumbnail() {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	random := rand.New(rand.NewPCG(1, 2))
	d.raw("; thumbnail begin 220x124 7800")
	for range 100 {
		row := []byte("; ")
		for range 78 {
			row = append(row, alphabet[random.IntN(64)])
		}
		d.raw(string(row))
	}
	d.raw("; thumbnail end")
	d.raw("")
}

func (d *document) footer() {
	d.pull()
	for _, s := range d.d.end {
		d.command(s)
	}
	if d.o.has("huge-e") {
		d.command("G92 E0")
		d.command("G1 E6 F300")
		d.command("G1 E1000000000000000000000 F300")
		d.command("G1 E6 F300")
	}
	if !d.d.configTop {
		d.settings()
	}
	if !d.o.has("no-newline") {
		d.endLine()
	}
}

// settings writes the block in which a slicer records how it was told to slice.
func (d *document) settings() {
	if d.o.has("no-config") {
		return
	}
	flag := func(on bool) string { return map[bool]string{true: "1", false: "0"}[on] }
	sequence, order := "by layer", "inner wall/outer wall"
	if d.sequential {
		sequence = "by object"
	}
	switch {
	case d.o.has("outer-first"):
		order = "outer wall/inner wall"
	case d.o.has("inner-outer"):
		order = "inner-outer-inner wall"
	}
	values := strings.NewReplacer(
		"%sequential", flag(d.sequential), "%sequence", sequence, "%wallorder", order,
		"%outerfirst", flag(d.o.has("outer-first")), "%first", decimal(mm(d.o.FirstHeight), d.d),
		"%height", decimal(mm(d.o.Height), d.d), "%walls", strconv.Itoa(d.o.Walls), "%vase", flag(d.o.has("vase")),
		"%relative", flag(!d.o.absolute(d.d)), "%arcs", flag(d.o.has("arcs")), "%comments", flag(d.o.has("comments")),
	)
	begin, end := "", ""
	switch d.d.name {
	case "prusa", "prusa-2.3", "superslicer":
		begin, end = "; prusaslicer_config = begin", "; prusaslicer_config = end"
	case "orca", "orca-feature", "bambu":
		begin, end = "; CONFIG_BLOCK_START", "; CONFIG_BLOCK_END"
	}
	if begin != "" {
		d.raw(begin)
	}
	for _, s := range d.d.config {
		d.raw(values.Replace(s))
	}
	if end != "" {
		d.raw(end)
	}
}

// fill3 puts a label, a layer number, a plane and a height into a marker.
func fill3(marker, label string, index, z, h int, d *dialect) string {
	values := strings.NewReplacer("%s", label, "%d", strconv.Itoa(index), "%z", decimal(z, d), "%h", decimal(h, d))
	return values.Replace(marker)
}

func fill2(marker string, n int) string {
	return strings.ReplaceAll(marker, "%d", strconv.Itoa(n))
}

func decimal(v int, d *dialect) string {
	style := d.numbers
	if style == shortest {
		style = trimmed // markers and settings keep their zeros
	}
	return string(appendDecimal(nil, int64(v), 3, style))
}
