package check

import (
	"math"
	"slices"
)

// Geometry is in mm.
type point struct{ x, y float32 }

type box struct{ minX, minY, maxX, maxY float32 }

var nowhere = box{math.MaxFloat32, math.MaxFloat32, -math.MaxFloat32, -math.MaxFloat32}

func (b *box) take(p point) {
	b.minX, b.minY = min(b.minX, p.x), min(b.minY, p.y)
	b.maxX, b.maxY = max(b.maxX, p.x), max(b.maxY, p.y)
}

func (b box) within(o box, d float32) bool {
	return b.minX-d <= o.maxX && o.minX-d <= b.maxX && b.minY-d <= o.maxY && o.minY-d <= b.maxY
}

// walk calls visit with the points along a bead, the start left out, no further apart than step; arcs are followed.
func (m *move) walk(step float64, visit func(p point)) {
	x0, y0 := float64(m.x0)/1000, float64(m.y0)/1000
	n := max(1, math.Ceil(m.length()/step))
	if m.code < 2 || m.radius {
		dx, dy := float64(m.x1-m.x0)/1000, float64(m.y1-m.y0)/1000
		for i := 1.0; i <= n; i++ {
			visit(point{float32(x0 + dx*i/n), float32(y0 + dy*i/n)})
		}
		return
	}
	radius, from, sweep := m.sweep()
	n = max(n, math.Ceil(math.Abs(sweep)/(math.Pi/12)))
	cx, cy := x0+float64(m.i)/1000, y0+float64(m.j)/1000
	for i := 1.0; i <= n; i++ {
		sin, cos := math.Sincos(from + sweep*i/n)
		visit(point{float32(cx + radius/1000*cos), float32(cy + radius/1000*sin)})
	}
}

func (m *move) start() point { return point{float32(m.x0) / 1000, float32(m.y0) / 1000} }

// toSegment is the distance of p to the line from a to b.
func toSegment(p, a, b point) float32 {
	dx, dy := b.x-a.x, b.y-a.y
	t := float32(0)
	if l := dx*dx + dy*dy; l > 0 {
		t = max(0, min(1, ((p.x-a.x)*dx+(p.y-a.y)*dy)/l))
	}
	ex, ey := p.x-a.x-t*dx, p.y-a.y-t*dy
	return float32(math.Sqrt(float64(ex*ex + ey*ey)))
}

func toPath(p point, path []point) float32 {
	least := float32(math.MaxFloat32)
	for i := 1; i < len(path); i++ {
		least = min(least, toSegment(p, path[i-1], path[i]))
	}
	return least
}

// cell is a square of the footprint of a loop.
type cell uint32

const cellSize = 0.3

func cellOf(p point) cell {
	x, y := int(math.Floor(float64(p.x)/cellSize)), int(math.Floor(float64(p.y)/cellSize))
	return cell(uint32(uint16(x))<<16 | uint32(uint16(y)))
}

// owned is a cell and the loop it belongs to, in an order that puts the owners of a cell side by side.
type owned uint64

func owner(c cell, loop int32) owned { return owned(c)<<32 | owned(uint32(loop)) }

// owners calls visit with the loops that own a cell in a sorted list.
func owners(all []owned, c cell, visit func(loop int32)) {
	i, _ := slices.BinarySearch(all, owner(c, 0))
	for ; i < len(all) && cell(all[i]>>32) == c; i++ {
		visit(int32(uint32(all[i])))
	}
}
