package check

import (
	"math"
	"slices"
)

// layer is what is kept of a layer of the input while its neighbours are compared.
type layer struct {
	marked  bool
	walls   bool
	line    int
	number  int // of the object, from 1
	floor   int32
	height  int32
	steady  bool // its height is known and sane
	ignored bool
	locked  bool // must be the same bytes
	below   *layer
	loops   []loop
	owners  []owned // cells of its inner loops
	pairs   [][2]int32
	raised  *rodMap // beads of the output
}

// loop is a chain of wall beads that no travel interrupts.
type loop struct {
	first, last          int32 // in trace.beads
	line                 int
	visible, inner, over bool // labels of its beads
	climbs, radius       bool
	relative             bool
	run                  int32
	contour              int32 // by print order and distance
	walked               int32 // by print order alone
	plane                int32
	length               float64
	path                 []point
	bounds               box
	cells                []cell

	raised    int32 // output Z less input Z
	steps     int64 // the same in steps of the ramp
	ofBelow   []share
	uncovered float64 // share of its cells that no inner loop below has
	exposed   float64 // share of its cells that no inner loop above has
	flatFor   bool    // there is a reason for it to be flat; known once its layer was judged
}

// share of a loop's cells that a loop below has.
type share struct {
	loop int32
	part float64
}

// hidden says whether the loop may be raised at all.
func (p *loop) hidden() bool { return p.inner && !p.visible }

// held says that a loop is rightly flat for what it is.
func (p *loop) held(l *layer) bool {
	return p.climbs || p.radius || p.relative || p.plane > l.floor+sameHeight || p.length < 5
}

// findLoops fills in the loops of the layer.
func (c *checker) findLoops(in *segment) {
	l := c.layer
	if !l.walls {
		return
	}
	lastMove := int32(-1)
	for n, b := range in.beads {
		m := &in.moves[b]
		if !m.class.wall() {
			lastMove = -1
			continue
		}
		if lastMove < 0 || !chained(in.moves[lastMove:b+1]) {
			l.loops = append(l.loops, loop{
				first: int32(n), run: m.run, plane: m.z, line: in.line + int(m.cmd), bounds: nowhere,
				path: []point{m.start()}, uncovered: 1, exposed: 1,
			})
		}
		p := &l.loops[len(l.loops)-1]
		p.take(m, int32(n))
		lastMove = b
	}
	for i := range l.loops {
		for _, q := range l.loops[i].path {
			l.loops[i].bounds.take(q)
		}
	}
	c.group()
	l.cover()
}

// chained says whether the last move continues the loop of the first.
func chained(moves []move) bool {
	first, last := &moves[0], &moves[len(moves)-1]
	if first.run != last.run {
		return false
	}
	for i := range moves[1 : len(moves)-1] {
		if a := moves[1+i].action; a == travel || a == wipe {
			return false
		}
	}
	return true
}

func (p *loop) take(m *move, n int32) {
	p.last = n
	p.visible = p.visible || m.class == visible
	p.inner = p.inner || m.class == inner
	p.over = p.over || m.class == overhang
	p.climbs = p.climbs || m.climbs
	p.radius = p.radius || m.radius
	p.relative = p.relative || m.relative
	p.length += m.length()
	if m.code < 2 {
		p.path = append(p.path, point{float32(m.x1) / 1000, float32(m.y1) / 1000})
		return
	}
	m.walk(0.5, func(q point) { p.path = append(p.path, q) })
}

// group joins loops to contours: a loop belongs to the open contour of its run if it is near one of its loops. A second
// visible loop opens a new one, and gets the loops before it that are nearer to it than to the visible loop they were
// counted to: where two walls nearly touch, print order alone does not tell them apart.
func (c *checker) group() {
	l := c.layer
	reach := float32(max(2, 2.2*c.opt.Width))
	next, begin, anchor := int32(0), 0, -1
	for i := range l.loops {
		p := &l.loops[i]
		joins := false
		for k := begin; k < i && !joins; k++ {
			joins = l.loops[k].run == p.run && near(p, &l.loops[k], reach)
		}
		if !joins || p.visible && anchor >= 0 {
			next++
			before := begin
			begin, anchor = i, -1
			if joins {
				l.attract(before, i, next)
			}
		}
		p.walked = next
		if p.contour == 0 {
			p.contour = next
		}
		if p.visible {
			anchor = i
		}
	}
	c.pairNeighbours()
}

// attract moves loops from before up to a visible one into the contour that it opens.
func (l *layer) attract(before, visible int, contour int32) {
	v := &l.loops[visible]
	for k := before; k < visible; k++ {
		q := &l.loops[k]
		if q.visible {
			continue
		}
		own := float32(math.MaxFloat32)
		for m := before; m < visible; m++ {
			if l.loops[m].visible {
				own = min(own, apart(q, &l.loops[m]))
			}
		}
		if apart(q, v) < own {
			q.contour = contour
		}
	}
}

// apart is how far one loop is from another on the way.
func apart(a, b *loop) float32 {
	sum, all := float32(0), probes(a.path, 16)
	for _, p := range all {
		sum += toPath(p, b.path)
	}
	return sum / float32(len(all))
}

// near says whether two paths come within d of each other somewhere.
func near(a, b *loop, d float32) bool {
	if !a.bounds.within(b.bounds, d) {
		return false
	}
	for _, p := range probes(a.path, 16) {
		if toPath(p, b.path) <= d {
			return true
		}
	}
	for _, p := range probes(b.path, 16) {
		if toPath(p, a.path) <= d {
			return true
		}
	}
	return false
}

func probes(path []point, n int) []point {
	if len(path) <= n {
		return path
	}
	out := make([]point, 0, n)
	for i := range n {
		out = append(out, path[i*(len(path)-1)/(n-1)])
	}
	return out
}

// pairNeighbours finds the loops of a contour that run side by side for a good part of their way.
func (c *checker) pairNeighbours() {
	l := c.layer
	reach := float32(1.3 * spacing(c.opt.Width, float64(max(l.height, 100))/1000))
	for i := range l.loops {
		for k := i - 1; k >= 0 && l.loops[k].run == l.loops[i].run; k-- {
			if l.loops[k].contour != l.loops[i].contour {
				continue
			}
			a, b := &l.loops[i], &l.loops[k]
			if a.length > b.length {
				a, b = b, a
			}
			if !a.bounds.within(b.bounds, reach) {
				continue
			}
			close, all := 0, probes(a.path, 16)
			for _, p := range all {
				if toPath(p, b.path) <= reach {
					close++
				}
			}
			if close*2 >= len(all) {
				l.pairs = append(l.pairs, [2]int32{int32(i), int32(k)})
			}
		}
	}
}

// spacing is the distance in mm of beads of a width laid side by side.
func spacing(width, height float64) float64 { return width - height*(1-math.Pi/4) }

// cover rasterises the inner loops and finds what is below each.
func (l *layer) cover() {
	for i := range l.loops {
		p := &l.loops[i]
		if !p.hidden() {
			continue
		}
		p.cells = rasterise(p.path)
		for _, k := range p.cells {
			l.owners = append(l.owners, owner(k, int32(i)))
		}
	}
	slices.Sort(l.owners)
	if l.below == nil {
		return
	}
	for i := range l.loops {
		l.loops[i].standOn(l.below)
	}
}

func rasterise(path []point) []cell {
	var cells []cell
	for i := 1; i < len(path); i++ {
		a, b := path[i-1], path[i]
		n := int(math.Ceil(math.Hypot(float64(b.x-a.x), float64(b.y-a.y))/0.1)) + 1
		for s := 0; s <= n; s++ {
			t := float32(s) / float32(n)
			k := cellOf(point{a.x + (b.x-a.x)*t, a.y + (b.y-a.y)*t})
			if len(cells) == 0 || cells[len(cells)-1] != k {
				cells = append(cells, k)
			}
		}
	}
	slices.Sort(cells)
	return slices.Compact(cells)
}

// standOn finds which loops of the layer below a loop stands on.
func (p *loop) standOn(below *layer) {
	if len(p.cells) == 0 {
		return
	}
	count := map[int32]int{}
	covered := 0
	for _, k := range p.cells {
		any := false
		owners(below.owners, k, func(q int32) { count[q]++; any = true })
		if any {
			covered++
		}
	}
	all := float64(len(p.cells))
	p.uncovered = 1 - float64(covered)/all
	for q, n := range count {
		p.ofBelow = append(p.ofBelow, share{q, float64(n) / all})
	}
	slices.SortFunc(p.ofBelow, func(a, b share) int { return int(a.loop - b.loop) })
}
