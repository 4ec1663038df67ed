// Package dialect knows what slicers write besides G-code: how they announce layers and features, what they say of
// their settings, and what tools that process their files leave behind.
//
// Every slicer announces layers and features by lines that hold only a comment, each in its own words:
//
//	PrusaSlicer, SuperSlicer, OrcaSlicer   ;LAYER_CHANGE      ;TYPE:External perimeter   ;HEIGHT:0.2  ;WIDTH:0.45
//	BambuStudio, Orca for Bambu            ; CHANGE_LAYER     ; FEATURE: Outer wall      ; LAYER_HEIGHT: 0.2
//	Cura, ideaMaker                        ;LAYER:12          ;TYPE:WALL-OUTER
//	KISSlicer                              ; BEGIN_LAYER_OBJECT z=0.4 z_thickness=0.2    ; 'Perimeter Path', …
//
// They are told apart by key and by words the label contains, not by the name of the slicer, so that a fork or a new
// version works as long as it keeps the words.
package dialect

import (
	"bytes"

	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// A Note is what a comment line tells.
type Note uint8

// The notes.
const (
	Nothing Note = iota
	Layer        // a new layer begins; value is its number when numbered
	Feature      // a new region begins; value is the region
	Height       // value is the height of the beads that follow
	Width        // value is their width
	Object       // another object begins or one ends
)

// Read reads a comment without its ';' and without blanks around it.
func Read(text []byte) (kind Note, value int64) {
	if len(text) < 5 {
		return Nothing, 0
	}
	switch text[0] | 0x20 {
	case 'l':
		if equalFold(text, "LAYER_CHANGE") {
			return Layer, 0
		}
		if v, ok := number(text, "LAYER:"); ok {
			return Layer, v
		}
		if v, ok := number(text, "LAYER_HEIGHT:"); ok {
			return Height, v
		}
		if v, ok := number(text, "LINE_WIDTH:"); ok {
			return Width, v
		}
	case 'c':
		if equalFold(text, "CHANGE_LAYER") {
			return Layer, 0
		}
	case 'b':
		if HasPrefixFold(text, "BEGIN_LAYER_OBJECT") {
			return Layer, 0
		}
	case 't':
		if HasPrefixFold(text, "TYPE:") {
			return Feature, int64(regionOf(text[len("TYPE:"):]))
		}
	case 'f':
		if HasPrefixFold(text, "FEATURE:") {
			return Feature, int64(regionOf(text[len("FEATURE:"):]))
		}
	case '\'':
		if r, ok := pathRegion(text); ok && bytes.IndexByte(text[1:], '\'') > 0 {
			return Feature, int64(r)
		}
	case 'h':
		if v, ok := number(text, "HEIGHT:"); ok {
			return Height, v
		}
	case 'w':
		if v, ok := number(text, "WIDTH:"); ok {
			return Width, v
		}
	case 'p', 's', 'm', 'o':
		if isObjectNote(text) {
			return Object, 0
		}
	}
	return Nothing, 0
}

// Of names whose words a layer change is in.
func Of(text []byte) string {
	switch {
	case equalFold(text, "LAYER_CHANGE"):
		return "prusaslicer"
	case equalFold(text, "CHANGE_LAYER"):
		return "bambustudio"
	case HasPrefixFold(text, "BEGIN_LAYER_OBJECT"):
		return "kisslicer"
	}
	return "cura"
}

func isObjectNote(text []byte) bool {
	for _, key := range [...]string{
		"printing object", "stop printing object", "start printing object", "MESH:", "PRINTING:", "OBJECT_ID:",
	} {
		if HasPrefixFold(text, key) {
			return true
		}
	}
	return false
}

// number reads the number behind key.
func number(text []byte, key string) (v int64, ok bool) {
	if !HasPrefixFold(text, key) {
		return 0, false
	}
	v, _, ok = lex.ParseDecimal(lex.TrimBlanks(text[len(key):]))
	return v, ok
}

// NamedNumber reads the number behind "name=" anywhere in text.
func NamedNumber(text []byte, name string) (v int64, ok bool) {
	i := bytes.Index(text, []byte(name))
	if i < 0 {
		return 0, false
	}
	v, _, ok = lex.ParseDecimal(text[i+len(name):])
	return v, ok
}

// HasPrefixFold reports whether b begins with prefix, without regard to the case of ASCII letters.
func HasPrefixFold(b []byte, prefix string) bool {
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

// Lower appends text in lower case to dst, as much of it as dst has room for.
func Lower(dst, text []byte) []byte {
	for _, c := range text[:min(len(text), cap(dst))] {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return bytes.TrimSpace(dst)
}
