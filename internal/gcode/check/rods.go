package check

import "math"

// rod is a short piece of a bead.
type rod struct {
	a, b point
	top  int32
	bead int32 // in print order
}

const (
	rodLength = 0.5
	rodCell   = 1.0 // mm; a reach of up to 0.75 mm about a piece is within the neighbouring squares
)

// rodMap finds the pieces near a point: they are sorted by the squares of a grid, row by row.
type rodMap struct {
	rods          []rod
	starts        []int32 // of each square, and the end of the last
	x, y          int     // of the first square
	width, height int
}

func square(v float32) int { return int(math.Floor(float64(v) / rodCell)) }

func (r *rod) square() (x, y int) { return square((r.a.x + r.b.x) / 2), square((r.a.y + r.b.y) / 2) }

// newRodMap sorts rods, which it keeps.
func newRodMap(rods []rod) *rodMap {
	m := &rodMap{}
	if len(rods) == 0 {
		return m
	}
	minX, minY, maxX, maxY := math.MaxInt, math.MaxInt, math.MinInt, math.MinInt
	for i := range rods {
		x, y := rods[i].square()
		minX, minY, maxX, maxY = min(minX, x), min(minY, y), max(maxX, x), max(maxY, y)
	}
	m.x, m.y, m.width, m.height = minX, minY, maxX-minX+1, maxY-minY+1
	m.starts = make([]int32, m.width*m.height+1)
	at := func(r *rod) int {
		x, y := r.square()
		return (y-m.y)*m.width + x - m.x
	}
	for i := range rods {
		m.starts[at(&rods[i])+1]++
	}
	for i := 1; i < len(m.starts); i++ {
		m.starts[i] += m.starts[i-1]
	}
	m.rods = make([]rod, len(rods))
	next := append([]int32(nil), m.starts...)
	for i := range rods {
		k := at(&rods[i])
		m.rods[next[k]] = rods[i]
		next[k]++
	}
	return m
}

// hits says whether a piece that passes the test is within reach of p.
func (m *rodMap) hits(p point, reach float32, test func(r *rod) bool) bool {
	x, y := square(p.x)-m.x, square(p.y)-m.y
	for row := max(0, y-1); row <= min(m.height-1, y+1); row++ {
		from, to := max(0, x-1), min(m.width-1, x+1)
		if from > to {
			return false
		}
		for i := m.starts[row*m.width+from]; i < m.starts[row*m.width+to+1]; i++ {
			if r := &m.rods[i]; test(r) && toSegment(p, r.a, r.b) <= reach {
				return true
			}
		}
	}
	return false
}

// rods appends the pieces of a bead to a list.
func (m *move) rods(to []rod, bead int32) []rod {
	at := m.start()
	m.walk(rodLength, func(p point) {
		to = append(to, rod{a: at, b: p, top: m.z, bead: bead})
		at = p
	})
	return to
}

// sample visits points along a bead and says for what length of it each stands.
func (m *move) sample(step float64, visit func(p point, length float64)) {
	n := 0
	m.walk(step, func(point) { n++ })
	each := m.length() / float64(n)
	at := m.start()
	m.walk(step, func(p point) {
		visit(point{(at.x + p.x) / 2, (at.y + p.y) / 2}, each)
		at = p
	})
}
