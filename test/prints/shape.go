package prints

import "math"

// point is a position on the bed in micrometres, the resolution slicers print: what is written is what is meant.
type point struct{ x, y int }

func mm(v float64) int { return int(math.Round(v * 1000)) }

func dist(a, b point) float64 { return math.Hypot(float64(a.x-b.x), float64(a.y-b.y)) / 1000 }

// seg is one bead: a straight line to a point, or an arc about a centre (turn +1 counter-clockwise, -1 clockwise).
type seg struct {
	to     point
	turn   int
	centre point
}

// ring is one loop of a wall: it starts at a point and does not quite close, as slicers leave a seam gap.
type ring struct {
	start point
	segs  []seg
}

// length of the path in mm; arcs count along the curve.
func (r ring) length() float64 {
	sum, at := 0.0, r.start
	for _, s := range r.segs {
		sum += s.length(at)
		at = s.to
	}
	return sum
}

func (s seg) length(from point) float64 {
	if s.turn == 0 {
		return dist(from, s.to)
	}
	a0 := math.Atan2(float64(from.y-s.centre.y), float64(from.x-s.centre.x))
	a1 := math.Atan2(float64(s.to.y-s.centre.y), float64(s.to.x-s.centre.x))
	sweep := float64(s.turn) * (a1 - a0)
	for sweep <= 0 {
		sweep += 2 * math.Pi
	}
	return sweep * dist(from, s.centre)
}

func (r ring) end() point { return r.segs[len(r.segs)-1].to }

// shape is an outline whose insets are exact: a rectangle with rounded corners. A circle is one whose sides have no
// length. All lengths in mm.
type shape struct {
	cx, cy        float64 // centre
	width, height float64
	radius        float64 // of the corners
	hole          bool    // walls grow outwards and run clockwise
}

func circle(cx, cy, r float64) shape {
	return shape{cx: cx, cy: cy, width: 2 * r, height: 2 * r, radius: r}
}

// inset moves the outline into the material by d mm.
func (s shape) inset(d float64) shape {
	if s.hole {
		d = -d
	}
	s.width -= 2 * d
	s.height -= 2 * d
	s.radius = math.Max(0, s.radius-d)
	return s
}

func (s shape) at(dx, dy float64) shape {
	s.cx += dx
	s.cy += dy
	return s
}

const seamGap = 0.04

// ring draws the outline in steps of at most step mm. The round parts are curves with arcs, else in steps of at most
// 1 mm: slicers keep close to the model.
func (s shape) ring(arcs bool, step float64) ring {
	hw, hh, r := s.width/2-s.radius, s.height/2-s.radius, s.radius
	centres := [4][2]float64{{hw, hh}, {-hw, hh}, {-hw, -hh}, {hw, -hh}}
	var out ring
	out.start = point{mm(s.cx + s.width/2), mm(s.cy - hh)}
	at := out.start
	line := func(p point) {
		if p == at {
			return
		}
		n := 1
		if step > 0 {
			n = int(math.Ceil(dist(at, p) / step))
		}
		from := at
		for i := 1; i <= n; i++ {
			at = point{from.x + (p.x-from.x)*i/n, from.y + (p.y-from.y)*i/n}
			out.segs = append(out.segs, seg{to: at})
		}
	}
	for q, c := range centres {
		ax, ay := s.cx+c[0], s.cy+c[1]
		a0, a1 := float64(q)*math.Pi/2, float64(q+1)*math.Pi/2
		if r == 0 {
			line(point{mm(ax), mm(ay)})
			continue
		}
		line(point{mm(ax + r*math.Cos(a0)), mm(ay + r*math.Sin(a0))})
		end := point{mm(ax + r*math.Cos(a1)), mm(ay + r*math.Sin(a1))}
		if arcs {
			at = end
			out.segs = append(out.segs, seg{to: end, turn: 1, centre: point{mm(ax), mm(ay)}})
			continue
		}
		n := max(3, int(math.Ceil(r*math.Pi/2/math.Max(min(step, 1), 0.2))))
		for i := 1; i <= n; i++ {
			a := a0 + (a1-a0)*float64(i)/float64(n)
			at = point{mm(ax + r*math.Cos(a)), mm(ay + r*math.Sin(a))}
			out.segs = append(out.segs, seg{to: at})
		}
	}
	line(out.start)
	out = out.trim(seamGap)
	if s.hole {
		out = out.reverse()
	}
	return out
}

// trim shortens the end of a closed ring by gap mm along its last bead, so that the ring does not close.
func (r ring) trim(gap float64) ring {
	last := &r.segs[len(r.segs)-1]
	from := r.start
	if len(r.segs) > 1 {
		from = r.segs[len(r.segs)-2].to
	}
	if last.turn != 0 {
		radius := dist(last.to, last.centre)
		a := math.Atan2(float64(last.to.y-last.centre.y), float64(last.to.x-last.centre.x)) - gap/radius*float64(last.turn)
		last.to = point{last.centre.x + mm(radius*math.Cos(a)), last.centre.y + mm(radius*math.Sin(a))}
		return r
	}
	l := dist(from, last.to)
	f := math.Max(0.5, (l-gap)/l)
	last.to = point{
		from.x + int(math.Round(float64(last.to.x-from.x)*f)),
		from.y + int(math.Round(float64(last.to.y-from.y)*f)),
	}
	return r
}

func (r ring) reverse() ring {
	n := len(r.segs)
	out := ring{start: r.end(), segs: make([]seg, 0, n)}
	for i := n - 1; i >= 0; i-- {
		to := r.start
		if i > 0 {
			to = r.segs[i-1].to
		}
		out.segs = append(out.segs, seg{to: to, turn: -r.segs[i].turn, centre: r.segs[i].centre})
	}
	return out
}
