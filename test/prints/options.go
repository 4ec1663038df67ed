// Package prints writes G-code as slicers write it, without a slicer, and says what is true of every wall loop that it
// wrote: which contour it belongs to, how far inside it lies and on which layers its column stands.
package prints

import (
	"fmt"
	"maps"
	"slices"
)

// Options say what to print. The zero value of a field means its default.
type Options struct {
	Dialect     string  // one of Dialects, default "prusa"
	Scene       string  // "sampler" (small, default) or "bushing" (plausible, of any size)
	Layers      int     // default 10
	Copies      int     // bushings on the bed, default 1
	Walls       int     // loops of a wall, the visible one included, default 4
	Height      float64 // mm, default 0.2
	FirstHeight float64 // mm, default Height
	Step        float64 // vertex spacing in mm, default 2, of a bushing 0.8
	Switches    []string
}

// switches are the things that go wrong in real files, each with what it does.
var switches = map[string]string{
	"abs":              "absolute extrusion (M82)",
	"rel":              "relative extrusion (M83)",
	"arcs":             "round parts as G2/G3 with I and J",
	"r-arcs":           "round parts as G2/G3 with R",
	"hop":              "the nozzle lifts on every long travel",
	"hop-region-end":   "the nozzle lifts at the end of a region, before the next marker",
	"slope":            "the nozzle lifts while it travels",
	"combing":          "long travels go round a corner",
	"g92":              "absolute E is set to zero inside walls",
	"no-reset":         "absolute E is never set to zero between layers",
	"comments":         "a comment on every motion line",
	"crlf":             "lines end in CR LF",
	"taper":            "every layer is a little smaller",
	"adaptive":         "layer heights vary",
	"outer-first":      "the visible wall is printed first",
	"inner-outer":      "inner walls, then the visible one, then the loop beside it",
	"hole":             "a part has a hole, its walls clockwise",
	"sequential":       "two objects, one after the other",
	"by-layer":         "two objects, layer by layer",
	"machine":          "M73, M204, M106 and width markers between and inside loops",
	"overhang":         "an inner loop is relabelled overhang and back without a travel",
	"overhang-only":    "a wall loop has only the overhang label",
	"scarf":            "the beads of some loops climb in Z",
	"g91":              "a macro in relative positioning between layers",
	"g91-wall":         "a macro in relative positioning inside a wall",
	"raft":             "raft layers below the object",
	"both-markers":     "LAYER_CHANGE and LAYER:n markers in one file",
	"shelf":            "a wall ends under a shelf",
	"on-infill":        "a wall starts on infill",
	"lone":             "inner loops without a visible one",
	"split":            "inner walls whose visible loop is missing",
	"toolchange":       "two tools and a prime tower",
	"non-utf8":         "bytes that are not UTF-8 in comments",
	"no-newline":       "the last line is not ended",
	"long-line":        "a comment of 21 KB",
	"checksum":         "line numbers and checksums",
	"line-numbers":     "line numbers without checksums",
	"vase":             "one wall, spiralling",
	"wipe":             "retraction while moving",
	"fw-retract":       "G10 and G11",
	"bom":              "a byte order mark",
	"square":           "square walls of four long beads a side",
	"gap":              "gap fill between walls",
	"ironing":          "the top is ironed",
	"support":          "support with layers of its own",
	"unlabelled-start": "a layer begins with beads before its first region marker",
	"huge-e":           "an absurd E word after the print",
	"inches":           "G20",
	"lower-case":       "commands in lower case with leading zeros",
	"thin-layers":      "0.15 mm layers",
	"first-thick":      "a first layer of 0.3 mm",
	"two-walls":        "one inner loop in each wall",
	"one-wall":         "no inner walls",
	"many-walls":       "seven loops in a wall",
	"no-config":        "no settings in the file",
}

// Switches lists the names that Options.Switches understands.
func Switches() []string { return slices.Sorted(maps.Keys(switches)) }

// Describe says what a switch does.
func Describe(name string) string { return switches[name] }

func (o Options) has(name string) bool { return slices.Contains(o.Switches, name) }

// complete fills in defaults and refuses what cannot be printed.
func (o Options) complete() (Options, *dialect, error) {
	if o.Dialect == "" {
		o.Dialect = "prusa"
	}
	d, ok := lookup(o.Dialect)
	if !ok {
		return o, nil, fmt.Errorf("dialect %q is not one of %v", o.Dialect, Dialects())
	}
	for _, s := range o.Switches {
		if _, ok := switches[s]; !ok {
			return o, nil, fmt.Errorf("switch %q is not one of %v", s, Switches())
		}
	}
	if o.Scene == "" {
		o.Scene = "sampler"
	}
	if _, ok := scenes[o.Scene]; !ok {
		return o, nil, fmt.Errorf("scene %q is unknown", o.Scene)
	}
	o.Layers = orDefault(o.Layers, 10)
	o.Copies = orDefault(o.Copies, 1)
	o.Walls = orDefault(o.Walls, 4)
	o.Height = orDefault(o.Height, 0.2)
	if o.Scene == "bushing" {
		o.Step = orDefault(o.Step, 0.8)
	}
	o.Step = orDefault(o.Step, 2)
	switch {
	case o.has("one-wall"), o.has("vase"):
		o.Walls = 1
	case o.has("two-walls"):
		o.Walls = 2
	case o.has("many-walls"):
		o.Walls = 7
	}
	if o.has("thin-layers") {
		o.Height = 0.15
	}
	if o.has("first-thick") {
		o.FirstHeight = 0.3
	}
	o.FirstHeight = orDefault(o.FirstHeight, o.Height)
	return o, d, nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// absolute says whether the print counts filament from the start.
func (o Options) absolute(d *dialect) bool { return o.has("abs") || d.absolute && !o.has("rel") }

// Outcome is what a processor owes such a print.
type Outcome struct {
	Class  string // "bricked", "noop" or "reject"; "invalid" when there is no such print
	Reason string // for all but the first
}

// Outcome says what must become of the print.
func (o Options) Outcome() Outcome {
	_, d, err := o.complete()
	switch {
	case err != nil:
		return Outcome{"invalid", err.Error()}
	case o.has("checksum"):
		return Outcome{"reject", "line_checksums"}
	case o.has("inches"):
		return Outcome{"reject", "units_inches"}
	case o.has("huge-e"):
		return Outcome{"reject", "bad_number"}
	case !d.spoken:
		return Outcome{"noop", "unknown_dialect"}
	case o.has("vase"):
		return Outcome{"noop", "spiral_vase"}
	case o.has("one-wall"):
		return Outcome{"noop", "single_wall"}
	}
	return Outcome{Class: "bricked"}
}

// Combinations are the prints that the tests run: every dialect with every switch, and pairs of switches that have met
// badly.
func Combinations() []Options {
	pairs := [][]string{
		{"abs", "arcs"}, {"abs", "hop"}, {"abs", "adaptive"}, {"abs", "crlf"}, {"abs", "sequential"}, {"abs", "wipe"},
		{"arcs", "hop"}, {"arcs", "overhang"}, {"arcs", "hole"}, {"hop", "comments"}, {"hop", "raft"}, {"hop", "sequential"},
		{"adaptive", "shelf"}, {"adaptive", "taper"}, {"comments", "crlf"}, {"outer-first", "hole"}, {"inner-outer", "hole"},
		{"shelf", "on-infill", "hole"}, {"sequential", "raft"}, {"by-layer", "toolchange"}, {"machine", "wipe", "hop"},
		{"hop-region-end", "abs"}, {"many-walls", "inner-outer"}, {"line-numbers", "comments"}, {"rel", "wipe", "hole"},
		{"abs", "no-reset", "wipe"}, {"no-reset", "hop", "sequential"},
		{"combing", "slope"}, {"abs", "g92"}, {"g92", "wipe", "hop"},
		{"combing", "hop", "abs"}, {"many-walls", "fw-retract"}, {"fw-retract", "hole", "outer-first"},
	}
	var all []Options
	for _, d := range dialects {
		all = append(all, Options{Dialect: d.name})
		for _, s := range Switches() {
			all = append(all, Options{Dialect: d.name, Switches: []string{s}})
		}
		for _, p := range pairs {
			if d.spoken {
				all = append(all, Options{Dialect: d.name, Switches: p})
			}
		}
	}
	return all
}

// Name identifies the combination in test output.
func (o Options) Name() string {
	name := orDefault(o.Dialect, "prusa")
	for _, s := range o.Switches {
		name += "+" + s
	}
	return name
}
