package bricking_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/test/prints"
)

// A habit is what people put into their slicer's custom G-code, or what a printer's profile does.
type habit struct {
	name   string
	start  string // before the first layer change
	layers string // behind every second layer change
	all    func(string) string
}

var layerMark = regexp.MustCompile(`(?mi)^(; CHANGE_LAYER|;LAYER_CHANGE|;LAYER:\d+|; BEGIN_LAYER_OBJECT.*)\n`)

var habits = []habit{
	{name: "start code", start: "M82\nG92\nG92 E0.0\nG10 P0 S200 R180\nG1 Z5 F1000\nG1 X0 Y0 F9000\n" +
		"G1 Z0.3\nG1 X60 E5 F1500\nG1 X100 E12\nG92 E0\nG91\nG1 E-2 Z0.2\nG1 E2 X-1 Y-1\nG90\nG92 E0\nM83\nG1 E-1 F300\nG1 E1\n"},
	{name: "volumetric extrusion", start: "M200 D1.75\n"},
	{name: "bed mesh", start: "G28\nG29\nG29 P1\nG29.1 Z0\nG28.2\nM420 S1 Z10\nG425\n"},
	{name: "colour change", layers: "M117 change\nG91\nG1 Z10 F600\nG90\nM600\n"},
	{name: "time lapse", layers: "G1 X0 Y0 F9000\nG4 P500\nM240\n"},
	{name: "time lapse of Klipper", layers: "TIMELAPSE_TAKE_FRAME\nSET_PRINT_STATS_INFO CURRENT_LAYER=3\n"},
	{name: "pause", layers: "M601\nM600 B1\n@pause\n"},
	{name: "tools", layers: "T1\nT0\nM620 S0A\nM621 S0A\n"},
	{name: "home X and Y", layers: "G28 X Y\n"},
	{name: "known height", layers: "M114\nG92 X5\nG28 X\n"},
	{name: "comments that say little", layers: ";\n; \n;;\n;:\n;=\n;TYPE\n;LAYER\n;HEIGHT:\n; WIDTH: x\n" +
		";LAYER_COUNT:10\n;TIME_ELAPSED:1.5\n"},
	{name: "bed around the origin", all: func(text string) string {
		return shifted(shifted(text, 'X', -120), 'Y', -90.5)
	}},
	{name: "raised bed", all: func(text string) string { return shifted(text, 'Z', 0.15) }},
	{name: "lowered bed", all: func(text string) string { return shifted(text, 'Z', -0.05) }},
}

// shifted moves all coordinates of an axis, as an offset in the slicer does.
func shifted(text string, axis byte, by float64) string {
	word := regexp.MustCompile(`(?m)^(G[0-3] [^;\n]*?` + string(axis) + `)(-?[0-9.]+)`)
	return word.ReplaceAllStringFunc(text, func(s string) string {
		at := strings.LastIndexByte(s, axis) + 1
		v, err := strconv.ParseFloat(s[at:], 64)
		if err != nil {
			panic(err)
		}
		return s[:at] + strconv.FormatFloat(v+by, 'f', -1, 32)
	})
}

func (h habit) write(in []byte) []byte {
	text := string(in)
	if h.start != "" {
		at := layerMark.FindStringIndex(text)[0]
		mode := "M82\n"
		if bytes.Contains(in, []byte("\nM83")) {
			mode = "M83\n"
		}
		text = text[:at] + h.start + mode + text[at:]
	}
	n := 0
	text = layerMark.ReplaceAllStringFunc(text, func(s string) string {
		if n++; n%2 == 0 && n > 2 {
			return s + h.layers
		}
		return s
	})
	if h.all != nil {
		text = h.all(text)
	}
	return []byte(text)
}

// TestHabits has everything around the walls done as people do it. Walls must come out as without it.
func TestHabits(t *testing.T) {
	for _, o := range []prints.Options{
		{}, {Switches: []string{"abs", "hop"}}, {Dialect: "cura"}, {Dialect: "cura", Switches: []string{"no-reset", "wipe"}},
		{Dialect: "bambu", Switches: []string{"arcs"}}, {Dialect: "superslicer", Switches: []string{"comments"}},
		{Dialect: "ideamaker", Switches: []string{"hop"}}, {Dialect: "orca", Switches: []string{"machine"}},
		{Dialect: "prusa-2.3", Switches: []string{"sequential", "hole"}}, {Dialect: "kisslicer"},
	} {
		in := write(t, o)
		for _, h := range habits {
			changed := h.write(in)
			if bytes.Equal(in, changed) {
				t.Fatalf("%s: %q changes nothing", o.Name(), h.name)
			}
			for _, order := range orders {
				t.Run(fmt.Sprintf("%s/%s/%s", o.Name(), h.name, order), func(t *testing.T) {
					t.Parallel()
					runSpelled(t, in, changed, order)
				})
			}
		}
	}
}
