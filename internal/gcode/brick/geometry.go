package brick

import "math"

// A point of a path, in millimetres. Single precision is 15 nm at 200 mm, far below anything compared here.
type point struct{ x, y float32 }

func toMM(nm int32) float32 { return float32(float64(nm) / mm) }

type box struct{ minX, minY, maxX, maxY float32 }

func pointBox(p point) box { return box{p.x, p.y, p.x, p.y} }

func (b box) join(c box) box {
	return box{min(b.minX, c.minX), min(b.minY, c.minY), max(b.maxX, c.maxX), max(b.maxY, c.maxY)}
}

// within reports whether the boxes come closer to each other than reach.
func (b box) within(c box, reach float32) bool {
	return b.minX-reach <= c.maxX && c.minX-reach <= b.maxX && b.minY-reach <= c.maxY && c.minY-reach <= b.maxY
}

// maxProbes is how many points of a path stand for it when its distance to another is measured.
const maxProbes = 16

// probe spreads points over a path, between its vertices where there are few of them, and returns how many.
func probe(path []point, probes *[maxProbes]point) int {
	segments := len(path) - 1
	if segments <= 0 {
		return copy(probes[:], path)
	}
	if segments >= maxProbes {
		for i := range probes {
			probes[i] = path[i*segments/maxProbes]
		}
		return maxProbes
	}
	n, each := 0, maxProbes/segments
	for i := range segments {
		a, b := path[i], path[i+1]
		for k := range each {
			t := float32(k) / float32(each)
			probes[n] = point{a.x + t*(b.x-a.x), a.y + t*(b.y-a.y)}
			n++
		}
	}
	return n
}

// A path is a chain of points with a box around every pathStep segments of it, so that what is far away need not be
// looked at.
type path struct {
	points []point
	boxes  []box
}

const pathStep = 8

// appendBoxes appends the boxes of the path to boxes, and returns the box around all of it.
func appendBoxes(boxes []box, points []point) ([]box, box) {
	all := pointBox(points[0])
	for i := 0; i == 0 || i < len(points)-1; i += pathStep {
		b := pointBox(points[i])
		for _, p := range points[i+1 : min(i+pathStep+1, len(points))] {
			b.minX, b.maxX = min(b.minX, p.x), max(b.maxX, p.x)
			b.minY, b.maxY = min(b.minY, p.y), max(b.maxY, p.y)
		}
		boxes = append(boxes, b)
		all = all.join(b)
	}
	return boxes, all
}

// distance2 returns the square of the distance from p to b.
func (b *box) distance2(p point) float32 {
	// Comparisons instead of max, which costs three times as much because it has to treat NaN.
	dx, dy := float32(0), float32(0)
	if p.x < b.minX {
		dx = b.minX - p.x
	} else if p.x > b.maxX {
		dx = p.x - b.maxX
	}
	if p.y < b.minY {
		dy = b.minY - p.y
	} else if p.y > b.maxY {
		dy = p.y - b.maxY
	}
	return dx*dx + dy*dy
}

// comesWithin reports whether p is closer to the path than the root of reach2.
func (t path) comesWithin(p point, reach2 float32) bool {
	for i := range t.boxes {
		if t.boxes[i].distance2(p) <= reach2 && t.segments2(p, i) <= reach2 {
			return true
		}
	}
	return false
}

// distance2 returns the square of the distance from p to the path, and in which of its boxes it comes closest. It looks
// first into box near, so that probes along a path need not look far.
func (t path) distance2(p point, near int) (best float32, at int) {
	best, at = t.segments2(p, near), near
	for i := range t.boxes {
		if i != near && t.boxes[i].distance2(p) < best {
			if d := t.segments2(p, i); d < best {
				best, at = d, i
			}
		}
	}
	return best, at
}

// segments2 returns the square of the distance from p to the segments of box i.
func (t path) segments2(p point, i int) float32 {
	points := t.points[i*pathStep : min(i*pathStep+pathStep+1, len(t.points))]
	ax, ay := points[0].x-p.x, points[0].y-p.y
	best := ax*ax + ay*ay
	for _, b := range points[1:] {
		bx, by := b.x-p.x, b.y-p.y
		dx, dy := bx-ax, by-ay
		dot := -(ax*dx + ay*dy)
		d := bx*bx + by*by // to the end, which covers the start of the next segment
		if length := dx*dx + dy*dy; dot > 0 && dot < length {
			cross := ax*dy - ay*dx
			d = cross * cross / length
		}
		if d < best {
			best = d
		}
		ax, ay = bx, by
	}
	return best
}

func sqrt32(v float32) float32 { return float32(math.Sqrt(float64(v))) }

func pathLength(path []point) float32 {
	var sum float64
	for i := 1; i < len(path); i++ {
		sum += math.Hypot(float64(path[i].x-path[i-1].x), float64(path[i].y-path[i-1].y))
	}
	return float32(sum)
}
