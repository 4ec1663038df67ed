package dialect

import "bytes"

// A Region is what a bead is part of.
type Region uint8

// The regions.
const (
	Unknown  Region = iota // after a layer change, until the slicer says
	External               // the visible wall
	Internal               // the walls behind it
	Overhang               // a stretch of either over air
	Gap
	Infill
	Solid
	Bridge
	Support
	Skirt
	Tower
	Ironing
	Other
	RegionCount
)

var regionNames = [RegionCount]string{
	"unlabelled", "external", "internal", "overhang", "gap", "infill", "solid", "bridge", "support", "skirt", "tower",
	"ironing", "other",
}

// String returns the name of r in statistics.
func (r Region) String() string { return regionNames[r] }

// Wall reports whether r is a wall or a stretch of one.
func (r Region) Wall() bool { return r >= External && r <= Overhang }

// regionWords maps words of a label to a region; the first that is contained wins, so the order matters: an "overhang
// perimeter" is no "perimeter", and "gap infill" no "infill".
var regionWords = []struct {
	word   string
	region Region
}{
	{"overhang", Overhang},
	{"external perimeter", External}, {"outer wall", External}, {"wall-outer", External},
	{"inner wall", Internal}, {"wall-inner", Internal}, {"internal perimeter", Internal},
	{"support", Support}, {"raft", Support},
	{"skirt", Skirt}, {"brim", Skirt},
	{"tower", Tower},
	{"ironing", Ironing},
	{"bridge", Bridge},
	{"gap", Gap}, {"thin wall", Gap},
	{"solid", Solid}, {"skin", Solid}, {"surface", Solid},
	{"fill", Infill},
}

// regionOf returns the region a slicer's label means.
func regionOf(label []byte) Region {
	var buf [64]byte
	text := Lower(buf[:0], label)
	for i := range regionWords {
		if bytes.Contains(text, []byte(regionWords[i].word)) {
			return regionWords[i].region
		}
	}
	if bytes.HasSuffix(text, []byte("perimeter")) {
		return Internal
	}
	return Other
}

// pathRegion returns the region of KISSlicer's quoted path names, where the perimeter is the visible wall and a loop
// one of those behind it. Names of travels are none.
func pathRegion(name []byte) (r Region, ok bool) {
	var buf [64]byte
	text := Lower(buf[:0], name)
	switch {
	case bytes.HasPrefix(text, []byte("'perimeter")):
		return External, true
	case bytes.HasPrefix(text, []byte("'loop")):
		return Internal, true
	case bytes.HasPrefix(text, []byte("'destring")), bytes.HasPrefix(text, []byte("'travel")):
		return Unknown, false
	}
	return regionOf(name), true
}
