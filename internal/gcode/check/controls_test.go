package check_test

import (
	"slices"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/prints"
)

func compare(t *testing.T, in, out []string, opt check.Options) *check.Report {
	t.Helper()
	r, err := check.Compare(strings.NewReader(strings.Join(in, "")), strings.NewReader(strings.Join(out, "")), opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var exact = check.Options{Multiplier: multiplier, Exact: true}

// base has all that the defects below need: commands between loops, a hole, retractions, an island that ends early.
var base = prints.Options{Switches: []string{"machine", "hole", "hop"}}

func TestAGoodResultHasNoViolations(t *testing.T) {
	s := generate(t, base)
	r := compare(t, s.lines, s.bricked(asRight), exact)
	if r.Violations() > 0 {
		t.Error(r)
	}
	for _, v := range r.Results {
		if v.Checked == 0 && !slices.Contains([]string{"I13", "I23", "I27"}, v.ID) {
			t.Errorf("%s was not checked at all", v.ID)
		}
	}
}

// find returns the index of the n-th line from line onwards that contains all parts.
func find(t *testing.T, lines []string, from, n int, parts ...string) int {
	t.Helper()
	for i := from; i < len(lines); i++ {
		ok := true
		for _, p := range parts {
			ok = ok && strings.Contains(lines[i], p)
		}
		if ok {
			if n--; n == 0 {
				return i
			}
		}
	}
	t.Fatalf("no line with %q", parts)
	return -1
}

func replace(lines []string, i int, with ...string) []string {
	return slices.Concat(lines[:i:i], with, lines[i+1:])
}

// loopOn returns the first loop of a ring on a layer.
func (s sample) loopOn(layer, ring int) prints.Loop {
	for _, l := range s.loops {
		if l.Layer == layer && l.Ring == ring {
			return l
		}
	}
	panic("no such loop")
}

// result is a good result to spoil.
type result struct {
	*testing.T
	sample
	good []string
}

// first returns the index in good of the first bead of a loop: the header is one line.
func (g result) first(layer, ring int) int { return g.loopOn(layer, ring).FirstLine }

func (g result) find(from int, parts ...string) int {
	g.Helper()
	return find(g.T, g.good, from, 1, parts...)
}

// up is the line that raises the nozzle to a loop.
func (g result) up(layer, ring int) int { return g.find(g.first(layer, ring)-12, "brick up") }

func (g result) edit(i int, from, to string) []string {
	g.Helper()
	if !strings.Contains(g.good[i], from) {
		g.Fatalf("line %d has no %q: %q", i+1, from, g.good[i])
	}
	return replace(g.good, i, strings.Replace(g.good[i], from, to, 1))
}

// raising makes a result whose loops are raised by other quarters than they should be, with the flow that this takes.
func (g result) raising(change func(l prints.Loop, here int) int) []string {
	return g.bricked(func(l prints.Loop) (int, int) {
		here, _ := asRight(l)
		below := l
		below.Layer--
		was, _ := asRight(below)
		return change(l, here), change(below, was)
	})
}

// defect is something wrong, and the invariant that must notice.
type defect struct {
	name string
	id   string
	make func(g result) []string
}

var heightDefects = []defect{
	{"an outer loop is lifted by half a layer", "I1", func(g result) []string {
		return g.raising(func(l prints.Loop, here int) int {
			if l.Layer == 5 && l.Visible && l.Contour == 0 {
				return 2
			}
			return here
		})
	}},
	{"a loop of the bed is raised", "I4", func(g result) []string {
		return g.raising(func(l prints.Loop, here int) int {
			if l.Layer == 1 && l.Ring == 1 {
				return 2
			}
			return here
		})
	}},
	{"a loop is raised by a third of its layer", "I5", func(g result) []string {
		return g.edit(g.up(5, 3), "Z1.1", "Z1.067")
	}},
	{"a travel is below its layer", "I6", func(g result) []string {
		return replace(g.good, g.find(g.first(5, 0), "G1 Z1 F"), "G1 Z.8 F720\n")
	}},
	{"a loop ends higher than it begins", "I7", func(g result) []string {
		i := g.first(6, 1) + 5
		return replace(g.good, i, "G1 Z1.4 F720\n", "G1 F1800\n", g.good[i])
	}},
	{"a loop is raised by most of its layer", "I8", func(g result) []string {
		return g.edit(g.up(5, 3), "Z1.1", "Z1.18")
	}},
	{"parity is inverted on one layer", "I18", func(g result) []string {
		return g.raising(func(l prints.Loop, here int) int {
			if l.Layer != 5 || l.Visible {
				return here
			}
			return 2 - here
		})
	}},
	{"a neighbour is raised as well", "I19", func(g result) []string {
		return g.raising(func(l prints.Loop, here int) int {
			if l.Ring == 2 && l.Contour == 0 {
				l.Ring = 1
				here, _ = asRight(l)
			}
			return here
		})
	}},
	{"a cap is missing", "I20", func(g result) []string {
		return g.raising(func(l prints.Loop, here int) int {
			if l.Layer == l.To && l.Ring == 1 {
				return 2
			}
			return here
		})
	}},
}

var beadDefects = []defect{
	{"a bead is lost", "I2", func(g result) []string { return replace(g.good, g.first(4, 2)+3) }},
	{"two loops are swapped", "I3", func(g result) []string {
		a, b, good := g.loopOn(4, 3), g.loopOn(4, 2), g.good
		at := g.find(b.FirstLine-4, "G1 X", "F10800")
		return slices.Concat(good[:a.FirstLine], good[b.FirstLine:b.LastLine+1], good[a.LastLine+1:at+1],
			good[a.FirstLine:a.LastLine+1], good[b.LastLine+1:])
	}},
	{"a bead gets a tenth more", "I9", func(g result) []string { return g.edit(g.first(5, 3)+1, "E.0710", "E.0780") }},
	{"every bead gets a little too much", "I10", func(g result) []string {
		lines := slices.Clone(g.good)
		for _, l := range g.loops {
			for i := l.FirstLine; !l.Visible && l.Layer > 1 && i <= l.LastLine; i++ {
				lines[i] = strings.Replace(lines[i], "E.07108", "E.07109", 1)
			}
		}
		return lines
	}},
	{"a retraction is scaled", "I11", func(g result) []string {
		return g.edit(g.find(g.first(5, 0), "G1 E-.8"), "E-.8", "E-.84")
	}},
	{"a prime is lost", "I12", func(g result) []string { return replace(g.good, g.find(g.first(5, 0), "G1 E.8")) }},
	{"travel makes a detour", "I17", func(g result) []string {
		i := g.find(g.first(5, 0), "F10800")
		return replace(g.good, i, "G1 X10 Y10 F10800\n", g.good[i])
	}},
	{"a number has six decimals", "I25", func(g result) []string { return g.edit(g.first(5, 3)+1, "\n", "1\n") }},
	{"a bead becomes a blob", "I26", func(g result) []string {
		i, good := g.first(5, 2)+4, g.good
		at := good[i-1][:strings.Index(good[i-1], " E")]
		return replace(good, i, at+good[i][strings.Index(good[i], " E"):])
	}},
}

var lineDefects = []defect{
	{"an M204 is lost", "I14", func(g result) []string { return replace(g.good, g.find(g.first(5, 3), "M204")) }},
	{"two commands are swapped", "I14", func(g result) []string {
		i, good := g.find(g.first(5, 3), "M73"), g.good
		if !strings.HasPrefix(good[i+1], "M204") {
			g.Fatalf("%q follows", good[i+1])
		}
		return slices.Concat(good[:i], []string{good[i+1], good[i]}, good[i+2:])
	}},
	{"heights are lines of their own", "I15", func(g result) []string {
		var lines []string
		for i, line := range g.good {
			if !strings.Contains(line, "brick up") {
				lines = append(lines, line)
				continue
			}
			z, _, _ := strings.Cut(line[strings.Index(line, "Z"):], " ")
			lines = append(lines, g.lines[i-1], "G1 "+z+" F720 ; brick up\n", "G1 F10800\n")
		}
		return lines
	}},
	{"a stamp is missing", "I16", func(g result) []string { return g.edit(g.up(5, 3), " ; brick up", "") }},
	{"a feed rate is changed", "I24", func(g result) []string {
		return g.edit(g.find(g.first(5, 3), "G1 F1800"), "1800", "1900")
	}},
	{"a comment is lost", "I24", func(g result) []string { return replace(g.good, g.find(g.first(5, 3), ";TYPE:")) }},
	{"a line is far too long", "I24", func(g result) []string {
		return g.edit(g.first(5, 0), "\n", strings.Repeat(" ", 200)+"\n")
	}},
}

// TestEveryCheckFires seeds one defect after the other into a good result.
func TestEveryCheckFires(t *testing.T) {
	s := generate(t, base)
	good := s.bricked(asRight)
	for _, tt := range slices.Concat(heightDefects, beadDefects, lineDefects) {
		t.Run(tt.name, func(t *testing.T) {
			r := compare(t, s.lines, tt.make(result{t, s, good}), exact)
			if r.Get(tt.id).Violations == 0 {
				t.Errorf("%s does not fire:\n%s", tt.id, r)
			}
		})
	}
}

func TestChecksThatNeedAnotherPrintFire(t *testing.T) {
	plain := check.Options{Multiplier: 1}
	absolute := generate(t, prints.Options{Switches: []string{"abs"}})
	single := generate(t, prints.Options{Switches: []string{"one-wall"}})
	shelf := generate(t, prints.Options{Switches: []string{"shelf"}})
	two := generate(t, prints.Options{Switches: []string{"two-walls"}})
	tests := []struct {
		defect  string
		id      string
		in, out []string
		opt     check.Options
	}{
		{"G92 is lost", "I13", absolute.lines, replace(absolute.lines, find(t, absolute.lines, 900, 1, "G92 E0")), plain},
		{"a print without inner walls is changed", "I23", single.lines,
			slices.Concat(single.lines[:1], []string{"; stamp\n"}, single.lines[1:]), plain},
		{"raised loops are laid before their visible wall", "I21", shelf.lines, shelf.bricked(asRight),
			check.Options{Multiplier: multiplier, Order: check.Contour}},
		{"a loop under a shelf is left proud", "I20", shelf.lines, shelf.bricked(func(l prints.Loop) (int, int) {
			l.To++
			return asRight(l)
		}), exact},
		{"a column climbs in two steps where four were asked for", "I5", shelf.lines, shelf.bricked(asRight),
			check.Options{Multiplier: multiplier, Ramp: 4}},
		{"a loop rises by more than was asked for", "I8", shelf.lines, shelf.bricked(asRight),
			check.Options{Multiplier: multiplier, MaxRaise: 0.4}},
		{"a lone loop rises though it was to stay flat", "I5", two.lines, two.bricked(asRight),
			check.Options{Multiplier: multiplier, LoneFlat: true}},
		{"the line ends are changed", "I24", absolute.lines, crlf(absolute.lines), plain},
		{"the end is missing", "I14", absolute.lines, absolute.lines[:len(absolute.lines)/2], plain},
	}
	for _, tt := range tests {
		t.Run(tt.defect, func(t *testing.T) {
			if r := compare(t, tt.in, tt.in, tt.opt); tt.opt.Multiplier == 1 && r.Violations() > 0 {
				t.Fatalf("without the defect: %s", r)
			}
			if r := compare(t, tt.in, tt.out, tt.opt); r.Get(tt.id).Violations == 0 {
				t.Errorf("%s does not fire:\n%s", tt.id, r)
			}
		})
	}
}

func crlf(lines []string) []string {
	out := slices.Clone(lines)
	for i := len(out) / 2; i < len(out)-1; i++ {
		out[i] = strings.TrimSuffix(out[i], "\n") + "\r\n"
	}
	return out
}
