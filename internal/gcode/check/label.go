package check

import (
	"bytes"
	"hash/fnv"
)

// class is what the checker must know of a feature.
type class uint8

const (
	unlabelled class = iota
	visible          // the outer wall
	inner
	overhang
	cover // solid, top and bridge: what lies on top of a wall that ends
	foundation
	elsewhere // any other feature
)

func (c class) wall() bool { return c == visible || c == inner || c == overhang }

// mark is what a comment line announces.
type mark uint8

const (
	noMark mark = iota
	layerMark
	regionMark
	heightMark
	splitMark // an object begins or ends
)

// announced is a marker as it was read.
type announced struct {
	mark     mark
	class    class
	label    uint32 // hash of the words, to tell features apart
	negative bool   // a layer below the object
	height   int64  // of a height marker, or of a layer marker that says it; in 1e-6 mm
}

var (
	layerPrefixes  = []string{"layer_change", "change_layer", "begin_layer_object"}
	splitPrefixes  = []string{"printing object", "stop printing object", "start printing object", "mesh:", "printing:"}
	regionPrefixes = []string{"type:", "feature:"}
)

// readMark reads a line that is nothing but a comment.
func readMark(line []byte) announced {
	text := bytes.TrimLeft(line, " \t;")
	if len(text) == 0 || len(text) > 200 {
		return announced{}
	}
	if text[0] == '\'' { // KISSlicer: 'Perimeter Path', 1.2 [feed mm/s]
		if end := bytes.IndexByte(text[1:], '\''); end > 0 {
			return kissRegion(bytes.ToLower(text[1 : 1+end]))
		}
		return announced{}
	}
	switch upper(text[0]) {
	case 'L', 'C', 'B', 'P', 'S', 'M', 'T', 'F', 'H':
	default:
		return announced{}
	}
	low := bytes.ToLower(text)
	for _, p := range regionPrefixes {
		if rest, ok := bytes.CutPrefix(low, []byte(p)); ok {
			label := bytes.TrimSpace(rest)
			return announced{mark: regionMark, class: classify(label), label: hash(label)}
		}
	}
	return readOther(low)
}

func readOther(low []byte) announced {
	if rest, ok := bytes.CutPrefix(low, []byte("layer:")); ok {
		v, end := number(rest, skipBlanks(rest, 0))
		if end < 0 {
			return announced{}
		}
		return announced{mark: layerMark, negative: v < 0}
	}
	for _, p := range []string{"height:", "layer_height:"} {
		if rest, ok := bytes.CutPrefix(low, []byte(p)); ok {
			if v, end := number(rest, skipBlanks(rest, 0)); end >= 0 {
				return announced{mark: heightMark, height: v}
			}
		}
	}
	for _, p := range layerPrefixes {
		if !bytes.HasPrefix(low, []byte(p)) {
			continue
		}
		a := announced{mark: layerMark}
		if i := bytes.Index(low, []byte("z_thickness=")); i >= 0 {
			if v, end := number(low, i+len("z_thickness=")); end >= 0 {
				a.height = v
			}
		}
		return a
	}
	for _, p := range splitPrefixes {
		if bytes.HasPrefix(low, []byte(p)) {
			return announced{mark: splitMark}
		}
	}
	return announced{}
}

func kissRegion(label []byte) announced {
	a := announced{mark: regionMark, class: elsewhere, label: hash(label)}
	switch {
	case bytes.Equal(label, []byte("perimeter path")):
		a.class = visible
	case bytes.Equal(label, []byte("loop path")):
		a.class = inner
	default:
		a.class = classify(label)
	}
	return a
}

// classify tells walls by what the label contains, in the order that keeps "External perimeter" from being a perimeter.
func classify(label []byte) class {
	has := func(words ...string) bool {
		for _, w := range words {
			if bytes.Contains(label, []byte(w)) {
				return true
			}
		}
		return false
	}
	switch {
	case has("overhang"):
		return overhang
	case has("external perimeter", "outer wall", "wall-outer"):
		return visible
	case has("inner wall", "wall-inner", "internal perimeter"), bytes.HasSuffix(label, []byte("perimeter")):
		return inner
	case has("support", "raft"):
		return foundation
	case has("solid", "top surface", "bottom surface", "bridge", "skin"):
		return cover
	}
	return elsewhere
}

func hash(b []byte) uint32 {
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}
