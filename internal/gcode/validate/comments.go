package validate

import (
	"bytes"
	"regexp"

	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// comments is what slicers say in lines that hold only a comment.
type comments struct {
	slicer     string // name and version
	settings   settings
	region     region
	layerMarks int64
	wallLabels int64
	innerBeads int64 // beads of walls behind the visible one
	outerBeads int64 // beads of the visible one
	climbing   int64 // those of them that move in Z
	sawWidth   bool

	floor, below         int64 // lowest bead of this layer and of the one before
	knowFloor, knowBelow bool
	least, most          int64 // layer height, 0 before the second layer

	inContainer bool // the settings are elsewhere
	open        map[string]bool
	configured  bool // a block of settings was closed
	settingsNow int  // settings since the last bead
	searched    int  // lines searched for the slicer's name
}

// region is what a bead is part of, as far as it matters here.
type region uint8

const (
	regionOther region = iota
	regionOuter
	regionInner
	regionOverhang
)

// forget drops what lines that were skipped may have changed.
func (c *comments) forget() {
	c.region = regionOther
	c.knowFloor, c.knowBelow = false, false
	for name := range c.open {
		if name != executable { // the only one that is open for long
			delete(c.open, name)
		}
	}
}

// read takes in a comment without its ';' and the blanks around it.
func (c *comments) read(text []byte) {
	var buf [80]byte
	lower := append(buf[:0], text[:min(len(text), len(buf))]...)
	for i, b := range lower {
		if b-'A' < 26 {
			lower[i] = b | 0x20
		}
	}
	if isLayerMark(lower) {
		c.layerMark()
	} else if r, ok := regionLabel(lower); ok {
		c.region = r
		if r != regionOther {
			c.wallLabels++
		}
	} else if bytes.HasPrefix(lower, []byte("width:")) || bytes.HasPrefix(lower, []byte("line_width:")) {
		c.sawWidth = true
	} else if !c.block(lower) {
		c.setting(text)
	}
	if c.slicer == "" && c.searched < 100 {
		c.searched++
		if m := generator.FindSubmatch(text[:min(len(text), 200)]); m != nil {
			c.slicer = string(m[1])
		}
	}
}

var generator = regexp.MustCompile(`(?i)(?:^|\b(?:by|with|in) )((?:PrusaSlicer|SuperSlicer|OrcaSlicer|BambuStudio|` +
	`Cura_SteamEngine|ideaMaker|KISSlicer|Slic3r|Simplify3D|MatterSlice|Kiri:Moto|IceSL)` +
	`(?:[ -]v?[0-9][0-9A-Za-z.+-]*)?)(?:$|[ ,;(])`)

// isLayerMark tells whether a comment announces a layer: PrusaSlicer and its forks, BambuStudio, Cura and ideaMaker,
// KISSlicer.
func isLayerMark(lower []byte) bool {
	return string(lower) == "layer_change" || string(lower) == "change_layer" ||
		bytes.HasPrefix(lower, []byte("layer:")) || bytes.HasPrefix(lower, []byte("begin_layer_object"))
}

// regionLabel reads what a comment calls the beads that follow. The words are looked for in this order, because an
// "overhang perimeter" is no perimeter.
func regionLabel(lower []byte) (r region, ok bool) {
	label, found := bytes.CutPrefix(lower, []byte("type:"))
	if !found {
		label, found = bytes.CutPrefix(lower, []byte("feature:"))
	}
	switch {
	case bytes.HasPrefix(lower, []byte("'perimeter path'")): // KISSlicer
		return regionOuter, true
	case bytes.HasPrefix(lower, []byte("'loop path'")):
		return regionInner, true
	case bytes.HasPrefix(lower, []byte("'")) && bytes.Contains(lower, []byte(" path'")):
		return regionOther, true
	case !found:
		return regionOther, false
	}
	for _, w := range [...]struct {
		word   string
		region region
	}{
		{"overhang", regionOverhang},
		{"external perimeter", regionOuter}, {"outer wall", regionOuter}, {"wall-outer", regionOuter},
		{"inner wall", regionInner}, {"wall-inner", regionInner}, {"internal perimeter", regionInner},
	} {
		if bytes.Contains(label, []byte(w.word)) {
			return w.region, true
		}
	}
	if bytes.HasSuffix(label, []byte("perimeter")) {
		return regionInner, true
	}
	return regionOther, true
}

func (c *comments) layerMark() {
	c.layerMarks++
	c.region = regionOther
	if !c.knowFloor {
		return
	}
	if height := c.floor - c.below; c.knowBelow && height > 0 {
		c.most = max(c.most, height)
		if c.least == 0 || height < c.least {
			c.least = height
		}
	}
	c.below, c.knowBelow, c.knowFloor = c.floor, true, false
}

// bead takes in a bead at height z, if that is known.
func (c *comments) bead(z int64, known, climbs bool) {
	c.settingsNow = 0
	switch {
	case c.region == regionInner:
		c.innerBeads++
	case c.region == regionOuter && climbs:
		c.climbing++
		fallthrough
	case c.region == regionOuter:
		c.outerBeads++
	}
	if !known {
		c.knowBelow = false
	} else if !c.knowFloor || z < c.floor {
		c.floor, c.knowFloor = z, true
	}
}

const executable = "executable_block"

// block keeps track of what is opened and has to be closed.
func (c *comments) block(lower []byte) bool {
	var name string
	var opens bool
	switch {
	case bytes.HasPrefix(lower, []byte("thumbnail")) && !bytes.HasPrefix(lower, []byte("thumbnails")):
		name = "thumbnail"
		opens = bytes.Contains(lower, []byte(" begin"))
		if !opens && !bytes.Contains(lower, []byte(" end")) {
			return false
		}
	case bytes.HasSuffix(lower, []byte("slicer_config = begin")), bytes.HasSuffix(lower, []byte("slicer_config = end")):
		name, opens = "config_block", bytes.HasSuffix(lower, []byte("begin"))
	default:
		before, start := bytes.CutSuffix(lower, []byte("_start"))
		before, end := bytes.CutSuffix(before, []byte("_end"))
		if start == end || !bytes.HasSuffix(before, []byte("_block")) {
			return false
		}
		switch name, opens = string(before), start; name {
		case "header_block", "thumbnail_block", "config_block", executable:
		default:
			return false
		}
	}
	if c.open == nil {
		c.open = map[string]bool{}
	}
	if opens {
		c.open[name] = true
		return true
	}
	delete(c.open, name)
	c.configured = c.configured || name == "config_block"
	return true
}

// settings are those that the verdict needs; 0 where the file does not state one.
type settings struct {
	nozzle, width int64
	walls         int64
	spiral        bool
}

func (c *comments) setting(text []byte) {
	key, value, ok := bytes.Cut(text, []byte("="))
	if !ok {
		return
	}
	c.settingsNow++
	c.settings.set(bytes.TrimSpace(key), bytes.TrimSpace(value))
}

// set takes in a setting of PrusaSlicer, one of its forks, OrcaSlicer or BambuStudio; of several values, which are for
// several extruders, the first.
func (s *settings) set(key, value []byte) {
	n, _, ok := lex.ParseDecimal(value)
	if !ok {
		return
	}
	switch string(key) {
	case "nozzle_diameter":
		s.nozzle = n
	case "perimeter_extrusion_width", "perimeters extrusion width", "inner_wall_line_width":
		s.width = n
	case "perimeters", "wall_loops":
		s.walls = n / lex.Unit
	case "spiral_vase", "spiral_mode":
		s.spiral = s.spiral || n == lex.Unit
	}
}
