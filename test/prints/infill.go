package prints

import (
	"math"
	"slices"
)

// raster fills the area inside outer and outside the holes with lines at the given spacing and angle; each result is a
// polyline whose neighbouring lines are joined along the edge where they are close, as rectilinear infill is.
func raster(outer shape, holes []shape, spacing, angle float64) [][]point {
	sin, cos := math.Sincos(angle)
	turn := func(p point) (u, v float64) {
		x, y := float64(p.x)/1000, float64(p.y)/1000
		return x*cos + y*sin, y*cos - x*sin
	}
	back := func(u, v float64) point { return point{mm(u*cos - v*sin), mm(u*sin + v*cos)} }

	var edges [][4]float64
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range append([]shape{outer}, holes...) {
		r := s.ring(false, 1)
		pts := []point{r.start}
		for _, g := range r.segs {
			pts = append(pts, g.to)
		}
		for i, p := range pts {
			u0, v0 := turn(p)
			u1, v1 := turn(pts[(i+1)%len(pts)])
			edges = append(edges, [4]float64{u0, v0, u1, v1})
			low, high = math.Min(low, v0), math.Max(high, v0)
		}
	}

	var done [][]point
	var cross []float64
	flip := false
	for v := (math.Floor(low/spacing) + 0.5) * spacing; v < high; v += spacing {
		cross = cross[:0]
		for _, e := range edges {
			if (e[1] <= v) != (e[3] <= v) {
				cross = append(cross, e[0]+(v-e[1])/(e[3]-e[1])*(e[2]-e[0]))
			}
		}
		slices.Sort(cross)
		for i := 0; i+1 < len(cross); i += 2 {
			a, b := back(cross[i], v), back(cross[i+1], v)
			if dist(a, b) < spacing/2 {
				continue
			}
			if flip {
				a, b = b, a
			}
			done = join(done, a, b, 2*spacing)
		}
		flip = !flip
	}
	return done
}

// join appends the line a-b to the polyline that ends near a, or starts a new one.
func join(lines [][]point, a, b point, reach float64) [][]point {
	for i := len(lines) - 1; i >= 0 && i >= len(lines)-4; i-- {
		if end := lines[i][len(lines[i])-1]; dist(end, a) < reach {
			lines[i] = append(lines[i], a, b)
			return lines
		}
	}
	return append(lines, []point{a, b})
}
