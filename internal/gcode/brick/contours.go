package brick

// Which loops are one wall, and which of them rise. Seen from above, a wall is a set of nested loops:
//
//	┌───────────────┐ 0  the visible wall: flat
//	│ ┌───────────┐ │ 1  raised
//	│ │ ┌───────┐ │ │ 2  flat
//	│ │ │ ┌───┐ │ │ │ 3  raised
//
// The file does not say which loops belong together. But the loops of a wall run side by side within a line's width,
// while the next wall is further away: walking the loops in print order, one that comes near a wall found so far (a
// contour) joins it, and one that does not opens another. A contour has one visible loop, its anchor. A second one
// opens its own, or islands that nearly touch would become one, and takes along the loops that are nearer to it.
//
// The phase of a loop is its place counted inwards from the anchor. Loops are told apart by their distance to it, so
// that the pieces of one interrupted loop, which are all as far from it, share a phase. Where a contour has no visible
// loop (some slicers print the two parts of a wall at different times), print order decides, counted from the end
// where the visible loop would be.

import (
	"slices"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

type contour struct {
	anchor int32 // loop that is its visible wall, -1 for none
	first  int32 // its loops are among loops[first:last+1], those that name it
	last   int32
	run    int32
	loops  int32 // how many
	box    box
}

// near reports whether p comes closer to q than reach.
func (l *layer) near(p, q *loop, reach float32) bool {
	if !q.wall || !q.box.within(p.box, reach) {
		return false
	}
	n := probe(l.pointsOf(p), &l.probes)
	path := l.pathOf(q)
	for _, at := range l.probes[:n] {
		if path.comesWithin(at, reach*reach) {
			return true
		}
	}
	return false
}

// ranked is a loop and its distance to the anchor in mm.
type ranked struct {
	loop     int32
	distance float32
}

// reach is how close, in mm, a loop must come to another one to be of the same wall. Distances measured on real files
// are either 0.4–1.5 mm, within a wall, or more than 3 mm.
func (l *layer) reach(c *dialect.Settings) float32 {
	width := max(int64(l.width), c.InnerWidth, c.OuterWidth)
	return max(2.0, 2.2*float32(width)/mm)
}

// groupLoops fills l.contours and numbers the loops of each.
func (l *layer) groupLoops(c *dialect.Settings) {
	reach := l.reach(c)
	for i := range l.loops {
		p := &l.loops[i]
		if !p.wall {
			continue
		}
		at := int32(len(l.boxes))
		l.boxes, p.box = appendBoxes(l.boxes, l.pointsOf(p))
		p.boxes = span{at, int32(len(l.boxes))}
		k := l.contourFor(p, reach)
		if k < 0 {
			k = int32(len(l.contours))
			l.contours = append(l.contours, contour{anchor: -1, first: int32(i), run: p.run, box: p.box})
		}
		l.join(int32(i), k)
		if p.visible {
			l.contours[k].anchor = int32(i)
			l.attract(int32(i), reach)
		}
	}
	spacing := wallSpacing(c)
	for k := range l.contours {
		if l.contours[k].anchor >= 0 {
			l.numberByDistance(int32(k), spacing)
		} else {
			l.numberByOrder(int32(k), l.outerFirst(c))
		}
	}
}

func (l *layer) pointsOf(p *loop) []point { return l.points[p.points.from:p.points.to] }

func (l *layer) pathOf(p *loop) path {
	return path{l.pointsOf(p), l.boxes[p.boxes.from:p.boxes.to]}
}

func (l *layer) join(i, k int32) {
	c := &l.contours[k]
	l.loops[i].contour = k
	c.first, c.last = min(c.first, i), max(c.last, i)
	c.loops++
	c.box = c.box.join(l.loops[i].box)
}

// contourFor returns the contour of the same run that p joins, -1 for none. Of several that are near, it is the one
// with the loop that p runs along most closely.
func (l *layer) contourFor(p *loop, reach float32) int32 {
	found, distance := int32(-1), float32(-1)
	for k := len(l.contours) - 1; k >= 0 && l.contours[k].run == p.run; k-- {
		if p.visible && l.contours[k].anchor >= 0 {
			continue
		}
		near := l.nearLoop(p, int32(k), reach)
		switch {
		case near < 0:
		case found < 0:
			found = int32(k)
			distance = -1
		default:
			if distance < 0 {
				distance = l.distance(p, l.nearLoop(p, found, reach))
			}
			if d := l.distance(p, near); d < distance {
				found, distance = int32(k), d
			}
		}
	}
	return found
}

// nearLoop returns the loop of contour k that p comes near to, the last one printed first, or -1.
func (l *layer) nearLoop(p *loop, k int32, reach float32) int32 {
	c := &l.contours[k]
	if !c.box.within(p.box, reach) {
		return -1
	}
	for j := c.last; j >= c.first; j-- {
		if q := &l.loops[j]; q.contour == k && l.near(p, q, reach) {
			return j
		}
	}
	return -1
}

// distance returns the squared distance at which p runs along loop q: the median over its probes, so that neither a
// corner nor a spot where walls meet decides.
func (l *layer) distance(p *loop, q int32) float32 {
	probes := probe(l.pointsOf(p), &l.probes)
	var d [maxProbes]float32
	path := l.pathOf(&l.loops[q])
	n, near := 0, 0
	for i := 0; i < probes; i += 2 { // every other one is enough for a median
		d[n], near = path.distance2(l.probes[i], near)
		n++
	}
	slices.Sort(d[:n])
	return d[n/2]
}

// attract moves to the contour of the visible loop v those loops of others that are nearer to it than to their anchor.
func (l *layer) attract(v int32, reach float32) {
	to := l.loops[v].contour
	for k := int32(len(l.contours)) - 1; k >= 0 && l.contours[k].run == l.loops[v].run; k-- {
		c := &l.contours[k]
		if k == to || c.anchor < 0 || !c.box.within(l.loops[v].box, reach) {
			continue
		}
		for j := c.first; j <= c.last; j++ {
			q := &l.loops[j]
			if q.contour != k || q.visible || !q.box.within(l.loops[v].box, reach) {
				continue
			}
			if q.apart == 0 {
				q.apart = l.distance(q, c.anchor)
			}
			if d := l.distance(q, v); d < q.apart {
				c.loops--
				l.join(j, to)
				q.apart = d
			}
		}
	}
}

// wallSpacing is the distance between neighbouring loops in mm, as far as it matters here.
func wallSpacing(c *dialect.Settings) float32 {
	width := c.InnerWidth
	if width == 0 {
		width = dialect.DefaultWidth
	}
	return 0.9 * float32(width) / mm
}

// numberByDistance gives the loops of contour k their phase by how far they are from its anchor.
func (l *layer) numberByDistance(k int32, spacing float32) {
	c := &l.contours[k]
	order := l.order[:0]
	for j := c.first; j <= c.last; j++ {
		if q := &l.loops[j]; q.contour == k && !q.visible {
			q.phase = 1
			order = append(order, ranked{j, 0})
		}
	}
	l.order = order
	if len(order) < 2 {
		return
	}
	for i := range order {
		q := &l.loops[order[i].loop]
		if q.apart == 0 {
			q.apart = l.distance(q, c.anchor)
		}
		order[i].distance = sqrt32(q.apart)
	}
	slices.SortFunc(order, func(a, b ranked) int {
		switch {
		case a.distance < b.distance:
			return -1
		case a.distance > b.distance:
			return 1
		}
		return int(a.loop - b.loop)
	})
	phase, from := int32(1), order[0].distance
	for _, r := range order {
		if r.distance-from > 0.6*spacing {
			phase++
			from = r.distance
		}
		l.loops[r.loop].phase = phase
	}
}

// lone reports whether p is, with the pieces it may be in, the only loop of its contour behind the visible one.
func (l *layer) lone(p *loop) bool {
	c := &l.contours[p.contour]
	for j := c.first; j <= c.last; j++ {
		if q := &l.loops[j]; q.contour == p.contour && q.phase > 1 {
			return false
		}
	}
	return true
}

// numberByOrder gives the loops of a contour without a visible loop their phase by print order.
func (l *layer) numberByOrder(k int32, outerFirst bool) {
	c := &l.contours[k]
	phase := int32(1)
	for n := range c.last - c.first + 1 {
		j := c.last - n
		if outerFirst {
			j = c.first + n
		}
		if q := &l.loops[j]; q.contour == k {
			q.phase = phase
			phase++
		}
	}
	const short = 5 // mm; on its own it is more likely a stray piece than a wall
	if only := &l.loops[c.first]; c.loops == 1 && only.hidden && pathLength(l.pointsOf(only)) < short {
		only.hold = max(only.hold, holdShort)
	}
}

// outerFirst reports whether visible loops are printed before those behind them: as the settings say, or as the other
// contours of the layer show.
func (l *layer) outerFirst(c *dialect.Settings) bool {
	if c.OrderKnown {
		return c.OuterFirst
	}
	for i := range l.contours {
		if k := &l.contours[i]; k.anchor >= 0 && k.loops > 1 {
			return k.anchor == k.first
		}
	}
	return false
}
