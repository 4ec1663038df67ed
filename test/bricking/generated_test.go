// Package bricking_test runs the real transform over every print the generator knows and over real ones, and has the
// independent checker look at the result.
package bricking_test

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"math"
	"regexp"
	"slices"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/prints"
)

// wish is what the user asked for, told to the transform and to the checker.
type wish struct {
	name       string
	start      int
	ignore     string
	multiplier float64 // 0 for auto
	order      brick.Order
	ramp       int     // 0 for the default
	maxRaise   float64 // 0 for the default
	lone       bool    // leave loops flat that are the only one behind their visible wall
}

// wishes take turns.
var wishes = []wish{
	{name: "default", start: 2, multiplier: 1.05},
	{name: "late start", start: 4, multiplier: 1.05},
	{name: "ignored layers", start: 2, ignore: "5,8-9", multiplier: 1.1},
	{name: "auto", start: 2},
	{name: "all", start: 3, ignore: "6", multiplier: 1},
	{name: "long ramp", start: 2, multiplier: 1.05, ramp: 4},
	{name: "no ramp", start: 2, multiplier: 1, ramp: 1, lone: true},
	{name: "a little", start: 2, ignore: "7", ramp: 3, maxRaise: 0.2},
}

var orders = []brick.Order{brick.OrderSlicer, brick.OrderContour}

func (w wish) brick(t *testing.T, settings []byte) brick.Options {
	t.Helper()
	opt := brick.DefaultOptions()
	ignore, err := brick.ParseLayerSet(w.ignore)
	if err != nil {
		t.Fatal(err)
	}
	opt.StartLayer, opt.Ignore, opt.Multiplier, opt.Settings = w.start, ignore, w.multiplier, settings
	opt.Order, opt.IncludeLone = w.order, !w.lone
	opt.Ramp, opt.MaxRaise = cmp.Or(w.ramp, opt.Ramp), cmp.Or(w.maxRaise, opt.MaxRaise)
	return opt
}

func (w wish) check(opt brick.Options) check.Options {
	return check.Options{
		Order: check.Order(opt.Order), StartLayer: w.start, Ignored: opt.Ignore.Contains, Multiplier: w.multiplier,
		Up: brick.StampUp, Down: brick.StampDown, Ramp: opt.Ramp, MaxRaise: opt.MaxRaise, LoneFlat: w.lone,
	}
}

var all = flag.Bool("all", false, "run every generated print in every order, not in one or the other")

// TestGeneratedPrints goes through all combinations of dialect and switches. Wishes take turns, and so do orders: a
// switch meets both of them in different dialects.
func TestGeneratedPrints(t *testing.T) {
	turn := 0
	for i, o := range prints.Combinations() {
		if len(o.Switches) == 0 {
			turn++ // the next dialect
		}
		for k, order := range orders {
			if !*all && (i+turn)%len(orders) != k {
				continue
			}
			w := wishes[(i+3*k)%len(wishes)]
			w.order = order
			t.Run(o.Name()+"/"+w.name+"/"+string(order), func(t *testing.T) {
				t.Parallel()
				runGenerated(t, o, w)
			})
		}
	}
}

// TestWishes goes through all wishes for a few combinations.
func TestWishes(t *testing.T) {
	for _, o := range []prints.Options{
		{Switches: []string{"hole", "hop"}}, {Dialect: "cura", Switches: []string{"sequential"}},
		{Dialect: "bambu", Switches: []string{"adaptive", "arcs"}}, {Dialect: "superslicer", Switches: []string{"shelf"}},
	} {
		for _, order := range orders {
			for _, w := range wishes {
				w.order = order
				t.Run(o.Name()+"/"+w.name+"/"+string(order), func(t *testing.T) {
					t.Parallel()
					runGenerated(t, o, w)
				})
			}
		}
	}
}

func runGenerated(t *testing.T, o prints.Options, w wish) {
	var in bytes.Buffer
	loops := map[int]prints.Loop{}
	if err := prints.Write(&in, o, func(l prints.Loop) { loops[l.FirstLine] = l }); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(o.Switches, "support") {
		w.start, w.ignore = 2, "" // layers of support alone have numbers too, which the truth does not know
	}
	opt := w.brick(t, in.Bytes())
	out, reason := transform(t, in.Bytes(), opt)
	if want := o.Outcome(); want.Class != "bricked" {
		if reason != want.Reason {
			t.Fatalf("reason %q, want %q", reason, want.Reason)
		}
		if want.Class == "noop" && !bytes.Equal(in.Bytes(), out) {
			t.Error("a print that nothing is done to has changed")
		}
		return
	}
	if reason != "" && (reason != string(brick.NothingToRaise) || !bytes.Equal(in.Bytes(), out)) {
		t.Fatalf("reason %q", reason)
	}
	judge := w.check(opt).WithSettings(in.Bytes())
	judge.Exact = true
	var measures []check.LoopMeasure
	judge.Each = func(m check.LoopMeasure) { measures = append(measures, m) }
	report, err := check.Compare(&in, bytes.NewReader(out), judge)
	if err != nil {
		t.Fatal(err)
	}
	if n := report.Violations(); n > 0 && !(n == report.Get("I21").Violations && stuck(o)) {
		t.Error(report)
	}
	compareWithTruth(t, o, w, opt, loops, measures)
}

// stuck says whether there is a macro in relative coordinates, or a new origin of E, inside the walls. These must stay
// between the beads they stand between, so such walls keep their order, and the nozzle passes beside raised loops.
func stuck(o prints.Options) bool {
	return slices.ContainsFunc([]string{"g91-wall", "g92"}, func(s string) bool {
		return slices.Contains(o.Switches, s)
	})
}

// transform returns the output, and the reason for which a print is refused or left as it is.
func transform(t *testing.T, in []byte, opt brick.Options) (out []byte, reason string) {
	t.Helper()
	var buf bytes.Buffer
	res, err := brick.Transform(bytes.NewReader(in), &buf, opt)
	var refused *brick.InputError
	switch {
	case errors.As(err, &refused):
		return nil, string(refused.Label)
	case err != nil:
		t.Fatal(err)
	}
	return buf.Bytes(), string(res.Reason)
}

// compareWithTruth holds every inner loop against what the generator knows of it.
func compareWithTruth(t *testing.T, o prints.Options, w wish, opt brick.Options, loops map[int]prints.Loop,
	measures []check.LoopMeasure,
) {
	t.Helper()
	inner := 0
	for _, l := range loops {
		if !l.Visible && l.Held != "unspecified" {
			inner++
		}
	}
	for _, m := range measures {
		l, ok := loops[m.InLine]
		if !ok {
			t.Errorf("line %d: the checker found a loop where none begins", m.InLine)
			continue
		}
		if l.Held == "unspecified" || l.Ring == 1 && slices.Contains(o.Switches, "overhang-only") {
			continue // its column breaks off where the slicer calls it nothing but an overhang
		}
		here, below := l.Steps(w.start, opt.Ramp, opt.Ignore.Contains)
		if l.Lone && !opt.IncludeLone {
			here, below = 0, 0
		}
		step := opt.MaxRaise / float64(opt.Ramp)
		rise := float64(here) * l.Height * step
		flow := 1.0
		if l.Layer >= w.start && !opt.Ignore.Contains(l.Layer) {
			flow = factor(w, l) * (l.Height + rise - float64(below)*l.Below*step) / l.Height
		}
		if math.Abs(m.Raised-rise) > 0.0006 || math.Abs(m.Flow-flow) > 2e-4 {
			t.Errorf("line %d, layer %d, ring %d: raised by %.3f with %.4f times the filament, want %.3f and %.4f", m.InLine,
				l.Layer, l.Ring, m.Raised, m.Flow, rise, flow)
		}
	}
	if inner > len(measures) {
		t.Errorf("%d loops measured, %d printed", len(measures), inner)
	}
}

// factor is the flow of inner walls: constant, or by the curve called auto for walls 0.45 mm wide.
func factor(w wish, l prints.Loop) float64 {
	if w.multiplier != 0 {
		return w.multiplier
	}
	corner := l.Height * (1 - math.Pi/4)
	return 1 + 0.05*0.5*(l.Height/(0.45-corner))/(0.2/0.4071)
}

// TestTravelBeforeTheLayerChange: real Cura travels to the next layer before it says that it begins, so the stamp of a
// layer's first loop stands in the layer before.
func TestTravelBeforeTheLayerChange(t *testing.T) {
	in := write(t, prints.Options{Dialect: "cura"})
	early := regexp.MustCompile(`(?m)^(;LAYER:[1-9]\d*\n)((?:[^;].*\n)+)`)
	moved := early.ReplaceAll(in, []byte("$2$1"))
	if bytes.Equal(in, moved) {
		t.Fatal("no layer change was moved")
	}
	for _, order := range orders {
		w := wishes[0]
		w.order = order
		opt := w.brick(t, moved)
		out, reason := transform(t, moved, opt)
		if reason != "" {
			t.Fatalf("%s: reason %q", order, reason)
		}
		report, err := check.Compare(bytes.NewReader(moved), bytes.NewReader(out), w.check(opt).WithSettings(moved))
		if err != nil {
			t.Fatal(err)
		}
		if report.Violations() > 0 {
			t.Errorf("%s: %v", order, report)
		}
	}
}
