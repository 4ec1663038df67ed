package validate

import (
	"bytes"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// comments is what slicers say in lines that hold only a comment.
type comments struct {
	slicer     string // name and version
	settings   dialect.Settings
	region     dialect.Region
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

// forget drops what lines that were skipped may have changed.
func (c *comments) forget() {
	c.region = dialect.Unknown
	c.knowFloor, c.knowBelow = false, false
	for name := range c.open {
		if name != executable { // the only one that is open for long
			delete(c.open, name)
		}
	}
}

// read takes in a comment without its ';' and the blanks around it.
func (c *comments) read(text []byte) {
	switch kind, value := dialect.Read(text); kind {
	case dialect.Layer:
		c.layerMark()
	case dialect.Feature:
		c.region = dialect.Region(value)
		if c.region.Wall() {
			c.wallLabels++
		}
	case dialect.Width:
		c.sawWidth = true
	case dialect.Nothing:
		var buf [80]byte
		if !c.block(dialect.Lower(buf[:0], text)) {
			c.setting(text)
		}
	}
	if c.slicer == "" && c.searched < 100 {
		c.searched++
		c.slicer = dialect.Slicer(text)
	}
}

func (c *comments) layerMark() {
	c.layerMarks++
	c.region = dialect.Unknown
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
	case c.region == dialect.Internal:
		c.innerBeads++
	case c.region == dialect.External && climbs:
		c.climbing++
		fallthrough
	case c.region == dialect.External:
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

func (c *comments) setting(text []byte) {
	key, value, ok := bytes.Cut(text, []byte("="))
	if !ok {
		return
	}
	c.settingsNow++
	c.settings.Set(bytes.TrimSpace(key), bytes.TrimSpace(value))
}
