package brick

import "math"

// A point of a path, in millimetres. Single precision is 15 nm at 200 mm, far below anything compared here.
type point struct{ x, y float32 }

func toMM(nm int32) float32 { return float32(float64(nm) / mm) }

type box struct{ minX, minY, maxX, maxY float32 }

func boxOf(points []point) box {
	b := box{math.MaxFloat32, math.MaxFloat32, -math.MaxFloat32, -math.MaxFloat32}
	for _, p := range points {
		b.minX, b.maxX = min(b.minX, p.x), max(b.maxX, p.x)
		b.minY, b.maxY = min(b.minY, p.y), max(b.maxY, p.y)
	}
	return b
}

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

// distance2 returns the square of the distance from p to the path, or something at most enough as soon as it finds it.
func distance2(p point, path []point, enough float32) float32 {
	best := float32(math.MaxFloat32)
	if len(path) == 1 {
		dx, dy := path[0].x-p.x, path[0].y-p.y
		return dx*dx + dy*dy
	}
	ax, ay := path[0].x-p.x, path[0].y-p.y
	for _, b := range path[1:] {
		bx, by := b.x-p.x, b.y-p.y
		dx, dy := bx-ax, by-ay
		dot := -(ax*dx + ay*dy)
		var d float32
		if length := dx*dx + dy*dy; dot <= 0 || length == 0 {
			d = ax*ax + ay*ay
		} else if dot >= length {
			d = bx*bx + by*by
		} else {
			cross := ax*dy - ay*dx
			d = cross * cross / length
		}
		if d < best {
			best = d
			if best <= enough {
				return best
			}
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
