package prints

// Loop is one wall loop as it was written, and what is true of it.
type Loop struct {
	FirstLine, LastLine int // of its beads, 1-based; lines between them belong to it
	Object, Contour     int
	Layer               int // of the object, 1 the bed
	Ring                int // 0 the visible one
	From, To            int // layers on which its column stands
	Visible             bool
	Held                string // why it must stay flat although its phase is odd; "unspecified": it may
	Height, Below       float64
}

// Quarters says how far the loop must stand above its plane, in quarters of its layer's height, and how far the loop
// below it in its column did, in quarters of its own. Layers before start and those that ignored names stay flat.
func (l Loop) Quarters(start int, ignored func(layer int) bool) (here, below int) {
	return l.quarters(l.Layer, start, ignored), l.quarters(l.Layer-1, start, ignored)
}

func (l Loop) quarters(layer, start int, ignored func(int) bool) int {
	if l.Ring%2 == 0 || l.Held != "" || layer <= l.From || layer >= l.To || ignored(layer) || ignored(layer+1) {
		return 0
	}
	ground := max(l.From, start-1)
	for k := layer - 1; k >= ground; k-- {
		if ignored(k) {
			ground = k + 1
		}
	}
	return max(0, min(2, layer-ground))
}
