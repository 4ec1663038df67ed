package brick

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// damage is a defect put into the output of a layer before it is checked.
var damage = []struct {
	name  string
	apply func(text string) string
}{
	{"visible bead lifted", once(`(;TYPE:External perimeter\n(?:.*\n)*?G1 X\S+ Y\S+) E`, "$1 Z9.9 E")},
	{"travel before the visible wall lifted", once(`Z(\S+) ; brick down`, "Z9.9 ; brick down")},
	{"plastic of a visible bead changed", once(`(;TYPE:External perimeter\n(?:.*\n)*?G1 X\S+ Y\S+ E)\S+`, "${1}.5")},
	{"bead moved", once(`(;TYPE:Perimeter\n(?:.*\n)*?G1 X)\S+`, "${1}1.234")},
	{"bead lost", once(`G1 X\S+ Y\S+ E\S+\n`, "")},
	{"command lost", once(`M204 .*\n`, "")},
	{"command added", once(`(M204 .*\n)`, "$1$1")},
	{"retraction scaled", once(`G1 (F\S+ )?E-\.?\d+(\.\d+)?`, "G1 ${1}E-.123")},
	{"raised too far", once(`Z(\S+) ; brick up`, "Z9.9 ; brick up")},
	{"plastic of an inner bead negative", once(`(; brick up\n(?:.*\n)*?G1 X\S+ Y\S+ E)`, "${1}-")},
	{"line added at the end", func(s string) string { return s + "G1 X1 Y1 E1\n" }},
}

// once replaces the first match of pattern.
func once(pattern, by string) func(string) string {
	re := regexp.MustCompile(pattern)
	return func(s string) string {
		m := re.FindStringSubmatchIndex(s)
		if m == nil {
			return s
		}
		return s[:m[0]] + string(re.ExpandString(nil, by, s, m)) + s[m[1]:]
	}
}

// checkDamaged emits a print, damages it and returns what the self-check says.
func checkDamaged(t *testing.T, in []byte, order Order, damage func(string) string) (damaged bool, found error) {
	t.Helper()
	opt := DefaultOptions()
	opt.Order = order
	cfg := dialect.ReadSettings(in)
	e := &emitter{climb: newClimb(&opt), stats: &Stats{}, mover: newMover(&opt, &cfg)}
	check := &selfCheck{climb: e.climb}
	b := &columnBuilder{opt: &opt, cfg: &cfg, climb: e.climb, stats: e.stats, free: func(*layer) {}}
	b.done = func(l *layer, follow []move) {
		e.layer(l, follow)
		out := string(e.out)
		if !damaged && strings.Contains(out, "; brick down") {
			out = damage(out)
			damaged = out != string(e.out)
		}
		if found == nil {
			found = check.check(l, []byte(out), order)
		}
	}
	take := func() *layer { return &layer{} }
	err := newScanner(make([]byte, 0, bufferSize), bytes.NewReader(in), false, take, func(l *layer) error {
		l.analyse(&cfg)
		b.add(l)
		return nil
	}).run()
	if err != nil {
		t.Fatal(err)
	}
	b.finish()
	return damaged, found
}

// TestSelfCheckSeesDamage has every kind of damage done to one layer and demands that it is noticed.
func TestSelfCheckSeesDamage(t *testing.T) {
	in := brickPrint(t, "prusa", []string{"machine"}, nil).in
	for _, order := range []Order{OrderSlicer, OrderContour} {
		for _, d := range damage {
			t.Run(string(order)+"/"+d.name, func(t *testing.T) {
				damaged, err := checkDamaged(t, in, order, d.apply)
				var failed *SelfcheckError
				if !damaged || !errors.As(err, &failed) {
					t.Errorf("damage done: %v; error: %v", damaged, err)
				}
			})
		}
		if _, err := checkDamaged(t, in, order, func(s string) string { return s }); err != nil {
			t.Errorf("%s order, no damage: %v", order, err)
		}
	}
}
