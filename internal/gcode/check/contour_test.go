package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/prints"
)

var contour = check.Options{Multiplier: multiplier, Exact: true, Order: check.Contour}

// reordered is the good result with the flat loops of each contour first. The way to the first loop of a contour stays,
// and a travel leads to each loop. With mixed it is done to all contours of a layer as if they were one.
func (s sample) reordered(mixed bool) []string {
	good := s.bricked(asRight)[2:] // without the header, so that indexes are those of the input but one
	var out []string
	done := 1
	for i := 0; i < len(s.loops); {
		k := i
		for k < len(s.loops) && s.loops[k].Layer == s.loops[i].Layer && (mixed || s.loops[k].Contour == s.loops[i].Contour) {
			k++
		}
		group := slices.Clone(s.loops[i:k])
		slices.SortStableFunc(group, func(a, b prints.Loop) int { return quarters(a) - quarters(b) })
		if first := group[0]; first.Layer < 3 {
			last := s.loops[k-1].LastLine
			out = append(out, good[done-1:last-1]...)
			done, i = last, k
			continue
		}
		lead := s.loops[i].FirstLine
		for _, line := range good[done-1 : lead-2] {
			line, _, _ = strings.Cut(line, " ; brick")
			out = append(out, strings.TrimSuffix(line, "\n")+"\n")
		}
		for _, l := range group {
			out = append(out, s.hop(l)...)
			out = append(out, good[l.FirstLine-2:l.LastLine-1]...)
		}
		if quarters(group[len(group)-1]) > 0 {
			out = append(out, number('G', 1, 0)+" "+number('Z', float64(group[0].Layer)*0.2, 3)+" F720 ; brick down\n")
		}
		done, i = s.loops[k-1].LastLine, k
	}
	out = append(out, good[done-1:]...)
	return append([]string{s.lines[0], "; bricked by a test\n"}, out...)
}

func quarters(l prints.Loop) int {
	here, _ := asRight(l)
	return here
}

// hop travels to a loop and says what it is.
func (s sample) hop(l prints.Loop) []string {
	travel := l.FirstLine - 2
	for !strings.HasPrefix(s.lines[travel], "G1 X") {
		travel--
	}
	x, _ := word(s.lines[travel], 'X')
	y, _ := word(s.lines[travel], 'Y')
	z := float64(l.Layer)*0.2 + float64(quarters(l))*0.05
	stamp, label := "", ";TYPE:Perimeter\n"
	if quarters(l) > 0 {
		stamp = " ; brick up"
	}
	if l.Visible {
		label = ";TYPE:External perimeter\n"
	}
	return []string{fmt.Sprintf("G1 X%g Y%g %s F10800%s\n", x, y, number('Z', z, 3), stamp), label, "G1 F1800\n"}
}

func TestContourOrder(t *testing.T) {
	s := generate(t, prints.Options{})
	good := s.reordered(false)
	if r := compare(t, s.lines, good, contour); r.Violations() > 0 || r.Get("I3").Checked == 0 {
		t.Fatal(r)
	}
	if r := compare(t, s.lines, good, exact); r.Get("I3").Violations == 0 {
		t.Errorf("I3 does not fire for the order %s:\n%s", check.Slicer, r)
	}
	at := find(t, good, 1500, 1, ";TYPE:Perimeter")
	beads := find(t, good, at, 1, "G1 X", " E")
	infill := find(t, good, at, 1, ";TYPE:Internal infill")
	tests := []struct {
		defect, id string
		out        []string
	}{
		{"two beads of a loop are swapped", "I2", slices.Concat(good[:beads+3], []string{good[beads+4], good[beads+3]},
			good[beads+5:])},
		{"loops have left their wall", "I3", s.reordered(true)},
		{"a command is lost", "I14", replace(good, find(t, good, 0, 1, "M106"))},
		{"a command is added", "I14", replace(good, at, "M204 P500\n", good[at])},
		{"a travel is too low", "I6", replace(good, infill-4, good[infill-4], "G1 Z.3 F720\n")},
		{"a new number has six decimals", "I25", replace(good, at-1, strings.Replace(good[at-1], " Y", "0001 Y", 1))},
		{"a comment of the infill is lost", "I24", replace(good, find(t, good, infill, 1, "F3600"))},
		{"the nozzle is left retracted", "I12", replace(good, find(t, good, at, 1, "G1 E.8"))},
	}
	for _, tt := range tests {
		t.Run(tt.defect, func(t *testing.T) {
			if r := compare(t, s.lines, tt.out, contour); r.Get(tt.id).Violations == 0 {
				t.Errorf("%s does not fire:\n%s", tt.id, r)
			}
		})
	}
}
