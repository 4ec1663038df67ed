package brick

// What slicers say in comments. Every slicer announces layers and features by lines that hold only a comment, each in
// its own words:
//
//	PrusaSlicer, SuperSlicer, OrcaSlicer   ;LAYER_CHANGE      ;TYPE:External perimeter   ;HEIGHT:0.2  ;WIDTH:0.45
//	BambuStudio, Orca for Bambu            ; CHANGE_LAYER     ; FEATURE: Outer wall      ; LAYER_HEIGHT: 0.2
//	Cura, ideaMaker                        ;LAYER:12          ;TYPE:WALL-OUTER
//	KISSlicer                              ; BEGIN_LAYER_OBJECT z=0.4 z_thickness=0.2    ; 'Perimeter Path', …
//
// They are told apart by key and by words the label contains, not by the name of the slicer, so that a fork or a new
// version works as long as it keeps the words.

import (
	"bytes"

	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// A region is what a bead is part of.
type region uint8

const (
	regionUnknown  region = iota // after a layer change, until the slicer says
	regionExternal               // the visible wall
	regionInternal               // the walls behind it
	regionOverhang               // a stretch of either over air
	regionGap
	regionInfill
	regionSolid
	regionBridge
	regionSupport
	regionSkirt
	regionTower
	regionIroning
	regionOther
	regionCount
)

var regionNames = [regionCount]string{
	"unlabelled", "external", "internal", "overhang", "gap", "infill", "solid", "bridge", "support", "skirt", "tower",
	"ironing", "other",
}

func (r region) wall() bool { return r >= regionExternal && r <= regionOverhang }

// regionWords maps words of a label to a region; the first that is contained wins, so the order matters: an "overhang
// perimeter" is no "perimeter", and "gap infill" no "infill".
var regionWords = []struct {
	word   string
	region region
}{
	{"overhang", regionOverhang},
	{"external perimeter", regionExternal}, {"outer wall", regionExternal}, {"wall-outer", regionExternal},
	{"inner wall", regionInternal}, {"wall-inner", regionInternal}, {"internal perimeter", regionInternal},
	{"support", regionSupport}, {"raft", regionSupport},
	{"skirt", regionSkirt}, {"brim", regionSkirt},
	{"tower", regionTower},
	{"ironing", regionIroning},
	{"bridge", regionBridge},
	{"gap", regionGap}, {"thin wall", regionGap},
	{"solid", regionSolid}, {"skin", regionSolid}, {"surface", regionSolid},
	{"fill", regionInfill},
}

// labelRegion returns the region a slicer's label means.
func labelRegion(label []byte) region {
	var buf [64]byte
	text := lower(buf[:0], label)
	for i := range regionWords {
		if bytes.Contains(text, []byte(regionWords[i].word)) {
			return regionWords[i].region
		}
	}
	if bytes.HasSuffix(text, []byte("perimeter")) {
		return regionInternal
	}
	return regionOther
}

// pathRegion returns the region of KISSlicer's quoted path names, where the perimeter is the visible wall and a loop
// one of those behind it. Names of travels are none.
func pathRegion(name []byte) (r region, ok bool) {
	var buf [64]byte
	text := lower(buf[:0], name)
	switch {
	case bytes.HasPrefix(text, []byte("'perimeter")):
		return regionExternal, true
	case bytes.HasPrefix(text, []byte("'loop")):
		return regionInternal, true
	case bytes.HasPrefix(text, []byte("'destring")), bytes.HasPrefix(text, []byte("'travel")):
		return regionUnknown, false
	}
	return labelRegion(name), true
}

// A note is what a comment line tells.
type note uint8

const (
	noteNone    note = iota
	noteLayer        // a new layer begins; value is its number when numbered
	noteRegion       // a new region begins; value is the region
	noteHeight       // value is the height of the beads that follow
	noteWidth        // value is their width
	noteSetting      // one of settings, no comment, but kept with them
	noteObject       // another object begins or one ends
)

// readNote reads a comment without its ';' and without blanks around it.
func readNote(text []byte) (kind note, value int64) {
	if len(text) < 5 {
		return noteNone, 0
	}
	switch text[0] | 0x20 {
	case 'l':
		if equalFold(text, "LAYER_CHANGE") {
			return noteLayer, 0
		}
		if v, ok := number(text, "LAYER:"); ok {
			return noteLayer, v
		}
		if v, ok := number(text, "LAYER_HEIGHT:"); ok {
			return noteHeight, v
		}
		if v, ok := number(text, "LINE_WIDTH:"); ok {
			return noteWidth, v
		}
	case 'c':
		if equalFold(text, "CHANGE_LAYER") {
			return noteLayer, 0
		}
	case 'b':
		if hasPrefixFold(text, "BEGIN_LAYER_OBJECT") {
			return noteLayer, 0
		}
	case 't':
		if hasPrefixFold(text, "TYPE:") {
			return noteRegion, int64(labelRegion(text[len("TYPE:"):]))
		}
	case 'f':
		if hasPrefixFold(text, "FEATURE:") {
			return noteRegion, int64(labelRegion(text[len("FEATURE:"):]))
		}
	case '\'':
		if r, ok := pathRegion(text); ok && bytes.IndexByte(text[1:], '\'') > 0 {
			return noteRegion, int64(r)
		}
	case 'h':
		if v, ok := number(text, "HEIGHT:"); ok {
			return noteHeight, v
		}
	case 'w':
		if v, ok := number(text, "WIDTH:"); ok {
			return noteWidth, v
		}
	case 'p', 's', 'm':
		if isObjectNote(text) {
			return noteObject, 0
		}
	}
	return noteNone, 0
}

// dialectOf names whose words a layer change is in.
func dialectOf(text []byte) string {
	switch {
	case equalFold(text, "LAYER_CHANGE"):
		return "prusaslicer"
	case equalFold(text, "CHANGE_LAYER"):
		return "bambustudio"
	case hasPrefixFold(text, "BEGIN_LAYER_OBJECT"):
		return "kisslicer"
	}
	return "cura"
}

func isObjectNote(text []byte) bool {
	for _, key := range [...]string{
		"printing object", "stop printing object", "start printing object", "MESH:", "PRINTING:",
	} {
		if hasPrefixFold(text, key) {
			return true
		}
	}
	return false
}

// number reads the number behind key.
func number(text []byte, key string) (v int64, ok bool) {
	if !hasPrefixFold(text, key) {
		return 0, false
	}
	v, _, ok = lex.ParseDecimal(lex.TrimBlanks(text[len(key):]))
	return v, ok
}

// namedNumber reads the number behind "name=" anywhere in text.
func namedNumber(text []byte, name string) (v int64, ok bool) {
	i := bytes.Index(text, []byte(name))
	if i < 0 {
		return 0, false
	}
	v, _, ok = lex.ParseDecimal(text[i+len(name):])
	return v, ok
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && equalFold(b[:len(prefix)], prefix)
}

// equalFold compares ASCII letters without regard to case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if b[i] != s[i] && (b[i]|0x20 != s[i]|0x20 || b[i]|0x20 < 'a' || b[i]|0x20 > 'z') {
			return false
		}
	}
	return true
}

// lower appends text in lower case to dst, as much of it as dst has room for.
func lower(dst, text []byte) []byte {
	for _, c := range text[:min(len(text), cap(dst))] {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return bytes.TrimSpace(dst)
}
