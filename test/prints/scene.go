package prints

// wall is one contour through all layers on which it stands. Rings are numbered from the visible one inwards.
type wall struct {
	id       int
	outline  shape
	from, to int // layers of the object, 1 the first
	rings    int
	first    int // outermost ring that is printed: 1 when the visible one is missing
	marked   bool
}

// fill is an area that is filled on some layers.
type fill struct {
	outer    shape
	holes    []shape
	from, to int
	onPlate  bool // its first three layers are solid
	lid      bool // its first layer is a bridge
	walls    int
}

// object is one thing to print; positions are relative to it.
type object struct {
	dx, dy float64
	walls  []wall
	fills  []fill
	last   int
}

var scenes = map[string]func(Options) []object{"sampler": sampler, "bushing": bushing}

type builder struct {
	object
	o Options
}

func (b *builder) wall(s shape, from, to int) *wall {
	w := wall{id: len(b.walls), outline: s, from: from, to: to, rings: b.o.Walls}
	b.walls = append(b.walls, w)
	b.last = max(b.last, to)
	return &b.walls[len(b.walls)-1]
}

func (b *builder) fill(f fill) {
	f.walls = b.o.Walls
	b.fills = append(b.fills, f)
}

// sampler is a small part and an island that ends earlier, with what the switches ask for.
func sampler(o Options) []object {
	b := builder{o: o}
	n := o.Layers
	plate := shape{width: 30, height: 24, radius: 4}
	if o.has("square") {
		plate.radius = 0
	}
	plateTop := n
	if o.has("on-infill") {
		plateTop = n - 5
	}
	area := fill{outer: plate, from: 1, to: plateTop, onPlate: true}
	b.wall(plate, 1, plateTop).marked = true
	if o.has("hole") {
		hole := circle(2, -1, 3)
		hole.hole = true
		b.wall(hole, 1, plateTop)
		area.holes = append(area.holes, hole)
	}
	b.fill(area)
	if o.has("on-infill") {
		boss := circle(-6, 4, 4.6)
		b.wall(boss, plateTop+1, n)
		b.fill(fill{outer: boss, from: plateTop + 1, to: n})
	}

	post := circle(28, 0, 5)
	postTop := n - 3
	b.wall(post, 1, postTop)
	b.fill(fill{outer: post, from: 1, to: postTop, onPlate: true})
	if o.has("shelf") {
		lid := circle(28, 0, 8.5)
		b.wall(lid, postTop+1, n)
		b.fill(fill{outer: lid, from: postTop + 1, to: n, lid: true})
	}
	if o.has("lone") {
		b.wall(circle(0, 25, 1.1), 1, n).first = 1
		b.walls[len(b.walls)-1].rings = 2
		b.wall(circle(10, 25, 2), 1, n).first = 1
		b.walls[len(b.walls)-1].rings = 2
	}
	if o.has("split") {
		b.wall(circle(28, 22, 5), 1, n).first = 1
	}
	b.last = n
	objects := []object{b.object}
	if o.has("sequential") || o.has("by-layer") {
		second := b.object
		second.dy = 60
		objects = append(objects, second)
	}
	return objects
}

// bushing is a flanged bearing: a plate with a bore and four screw bosses, and above it a tube and the bosses.
func bushing(o Options) []object {
	b := builder{o: o}
	n := o.Layers
	flange := max(4, min(20, n/3))
	bosses := max(flange+1, flange+(n-flange)/2)
	bore := circle(0, 0, 7)
	bore.hole = true
	plate := shape{width: 52, height: 44, radius: 7}
	b.wall(plate, 1, flange)
	b.wall(bore, 1, n)
	b.fill(fill{outer: plate, holes: []shape{bore}, from: 1, to: flange, onPlate: true})
	tube := circle(0, 0, 14)
	b.wall(tube, flange+1, n)
	b.fill(fill{outer: tube, holes: []shape{bore}, from: flange + 1, to: n})
	for _, at := range [][2]float64{{-19, -15}, {19, -15}, {19, 15}, {-19, 15}} {
		boss := circle(at[0], at[1], 4.5)
		b.wall(boss, flange+1, bosses)
		b.fill(fill{outer: boss, from: flange + 1, to: bosses})
	}
	b.last = n
	var all []object
	for i := range o.Copies {
		copied := b.object
		copied.dx, copied.dy = float64(i%4)*60-float64(min(o.Copies-1, 3))*30, float64(i/4)*52
		all = append(all, copied)
	}
	return all
}
