package brick

// Footprints: which squares of 0.3 mm a loop covers, to tell whether it has a wall below and above it. The squares of
// a layer's inner loops are kept in a grid of tiles, so that a bed full of small parts costs as much as they cover and
// not as much as the bed.

import "math"

const (
	cellSize = 0.3 // mm
	tileBits = 4
	tileSide = 1 << tileBits
	tileMask = tileSide - 1
)

// A cell is a square: column in the low half, row in the high half, both counted from −32768.
type cell uint32

func cellAt(p point) (column, row int32) {
	// Adding bias makes the number positive, so that cutting off its fraction rounds down.
	const bias, each = 1 << 15, 1 / cellSize
	return int32(float64(p.x)*each+bias) - bias, int32(float64(p.y)*each+bias) - bias
}

// A grid tells which loop covers a cell; where two do, the later one.
type grid struct {
	x, y          int32 // tile of the lower left corner
	width, height int32 // in tiles
	index         []int32
	tiles         []tile

	last   *tile // the one that was looked at last, because a path stays in it for a while
	lastAt int32 // its place in index
}

// A tile holds for each of its cells the loop that covers it, plus 1.
type tile [tileSide * tileSide]uint16

// maxCovering is how many loops of a layer can have a footprint. Those beyond it lie flat.
const maxCovering = 1<<16 - 1

// clear makes g an empty grid for the given box.
func (g *grid) clear(b box) {
	x0, y0 := cellAt(point{b.minX, b.minY})
	x1, y1 := cellAt(point{b.maxX, b.maxY})
	g.x, g.y = x0>>tileBits, y0>>tileBits
	g.width, g.height = x1>>tileBits-g.x+1, y1>>tileBits-g.y+1
	n := int(g.width) * int(g.height)
	if cap(g.index) < n {
		g.index = make([]int32, n)
	}
	g.index = g.index[:n]
	clear(g.index)
	g.tiles = g.tiles[:0]
	g.last, g.lastAt = nil, -1
}

// set notes that loop covers the cell and reports whether it did not before.
func (g *grid) set(column, row, loop int32) bool {
	at := (row>>tileBits-g.y)*g.width + column>>tileBits - g.x
	if at != g.lastAt {
		g.lastAt, g.last = at, g.tile(at)
	}
	square := &g.last[row&tileMask<<tileBits|column&tileMask]
	if *square == uint16(loop+1) {
		return false
	}
	*square = uint16(loop + 1)
	return true
}

// tile returns the tile at a place in the index, a new one if there is none.
func (g *grid) tile(at int32) *tile {
	n := g.index[at]
	if n == 0 {
		if len(g.tiles) < cap(g.tiles) {
			g.tiles = g.tiles[:len(g.tiles)+1]
			g.tiles[len(g.tiles)-1] = tile{}
		} else {
			g.tiles = append(g.tiles, tile{})
		}
		n = int32(len(g.tiles))
		g.index[at] = n
	}
	return &g.tiles[n-1]
}

// get returns the loop that covers c, or -1.
func (g *grid) get(c cell) int32 {
	column, row := int32(c&0xffff)-0x8000, int32(c>>16)-0x8000
	x, y := column>>tileBits-g.x, row>>tileBits-g.y
	if uint32(x) >= uint32(g.width) || uint32(y) >= uint32(g.height) {
		return -1
	}
	if at := y*g.width + x; at != g.lastAt {
		g.lastAt, g.last = at, nil
		if n := g.index[at]; n > 0 {
			g.last = &g.tiles[n-1]
		}
	}
	if g.last == nil {
		return -1
	}
	return int32(g.last[row&tileMask<<tileBits|column&tileMask]) - 1
}

// coverCells fills l.grid and the footprints of its inner loops.
func (l *layer) coverCells() {
	first := true
	var all box
	for i := range l.loops {
		if p := &l.loops[i]; p.inner() {
			if first {
				all, first = p.box, false
			}
			all = all.join(p.box)
		}
	}
	l.grid.width, l.grid.height = 0, 0
	if first {
		return
	}
	l.grid.clear(all)
	for i := range l.loops {
		p := &l.loops[i]
		if !p.inner() || i >= maxCovering {
			continue
		}
		p.cells.from = int32(len(l.cells))
		path := l.pointsOf(p)
		for k := 1; k < len(path); k++ {
			l.coverSegment(path[k-1], path[k], int32(i))
		}
		p.cells.to = int32(len(l.cells))
	}
}

// coverSegment walks the cells between a and b, from one border to the next.
func (l *layer) coverSegment(a, b point, loop int32) {
	column, row := cellAt(a)
	endColumn, endRow := cellAt(b)
	l.cover(column, row, loop)
	dx, dy := float64(b.x)-float64(a.x), float64(b.y)-float64(a.y)
	stepX, nextX, eachX := crossing(float64(a.x), dx, column)
	stepY, nextY, eachY := crossing(float64(a.y), dy, row)
	for column != endColumn || row != endRow {
		if column != endColumn && (nextX < nextY || row == endRow) {
			column += stepX
			nextX += eachX
		} else {
			row += stepY
			nextY += eachY
		}
		l.cover(column, row, loop)
	}
}

// crossing returns in which direction a line leaves its cell, the share of the line before the first border and
// between two.
func crossing(from, delta float64, at int32) (step int32, next, each float64) {
	switch {
	case delta > 0:
		return 1, (float64(at+1)*cellSize - from) / delta, cellSize / delta
	case delta < 0:
		return -1, (float64(at)*cellSize - from) / delta, -cellSize / delta
	}
	return 0, math.Inf(1), 0
}

func (l *layer) cover(column, row, loop int32) {
	if l.grid.set(column, row, loop) {
		l.cells = append(l.cells, cell(uint32(row+0x8000)<<16|uint32(column+0x8000)&0xffff))
	}
}
