package prints

// Loop is one wall loop as it was written, and what is true of it.
type Loop struct {
	FirstLine, LastLine int // of its beads, 1-based; lines between them belong to it
	Object, Contour     int
	Layer               int // of the object, 1 the bed
	Ring                int // 0 the visible one
	From, To            int // layers on which its column stands
	Visible             bool
	Lone                bool   // no other ring of its wall is behind the visible one
	Held                string // why it must stay flat although its phase is odd; "unspecified": it may
	Height, Below       float64
}

// Steps says how many steps of its ramp the loop must stand above its plane, and how many the loop below it in its column
// did. Layers before start and those that ignored names stay flat.
func (l Loop) Steps(start, ramp int, ignored func(layer int) bool) (here, below int) {
	return l.steps(l.Layer, start, ramp, ignored), l.steps(l.Layer-1, start, ramp, ignored)
}

func (l Loop) steps(layer, start, ramp int, ignored func(int) bool) int {
	if l.Ring%2 == 0 || l.Held != "" || layer <= l.From || layer >= l.To || ignored(layer) || ignored(layer+1) {
		return 0
	}
	ground := max(l.From, start-1)
	for k := layer - 1; k >= ground; k-- {
		if ignored(k) {
			ground = k + 1
		}
	}
	return max(0, min(ramp, layer-ground))
}
