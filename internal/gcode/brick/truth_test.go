package brick

import (
	"math"
	"slices"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/lex"
	"bricklayers.dev/bricklayers/test/prints"
)

// laid is how a line lays its bead.
type laid struct {
	bead bool
	z, e float64
}

// trace follows a file and returns what each of its lines lays, without the lines that brick adds.
func trace(text []byte) []laid {
	var out []laid
	var l lex.Line
	var z, e float64
	absolute, relative := true, false
	for rest := text; len(rest) > 0; {
		var line []byte
		line, rest = lex.NextLine(rest)
		l.Parse(line)
		comment := string(l.CommentText(line))
		var now laid
		switch {
		case l.Kind == lex.Move:
			if l.Has&lex.HasZ != 0 {
				z = float64(l.Z)/lex.Unit + map[bool]float64{true: z}[relative]
			}
			now.z = z
			if l.Has&lex.HasE != 0 {
				now.e = float64(l.E) / lex.Unit
				if absolute {
					now.e -= e
				}
				e += now.e
				now.bead = now.e > 0 && l.Has&(lex.HasX|lex.HasY) != 0
			}
		case l.Kind == lex.SetPosition && l.Has&lex.HasE != 0:
			e = float64(l.E) / lex.Unit
		case l.Letter == 'M' && (l.Number == 82 || l.Number == 83):
			absolute = l.Number == 82
		case l.Letter == 'G' && (l.Number == 90 || l.Number == 91):
			relative = l.Number == 91
		}
		switch {
		case "; "+comment == StampFeed:
			out = out[:len(out)-1]
		case strings.HasPrefix("; "+comment, StampHeader):
		default:
			out = append(out, now)
		}
	}
	return out
}

// compareTruth looks for each loop of a print at the height and with the plastic that it must have.
func compareTruth(t *testing.T, o prints.Options, opt Options, loops []prints.Loop, in, out []byte) {
	t.Helper()
	before, after := trace(in), trace(out)
	if len(before) != len(after) {
		t.Fatalf("%d lines in, %d out", len(before), len(after))
	}
	for _, p := range loops {
		if p.Ring == 1 && slices.Contains(o.Switches, "overhang-only") {
			continue // its column ends where the slicer calls it nothing but an overhang
		}
		here, below := p.Steps(opt.StartLayer, opt.Ramp, opt.Ignore.Contains)
		if p.Lone && !opt.IncludeLone {
			here, below = 0, 0
		}
		step := opt.MaxRaise / float64(opt.Ramp)
		rise := float64(here) * p.Height * step
		factor := 1.0
		if !p.Visible && p.Layer >= opt.StartLayer && !opt.Ignore.Contains(p.Layer) {
			factor = opt.Multiplier * (p.Height + rise - float64(below)*p.Below*step) / p.Height
		}
		for i := p.FirstLine - 1; i < p.LastLine && p.Held != "unspecified"; i++ {
			a, b := before[i], after[i]
			if !a.bead {
				continue
			}
			if math.Abs(b.z-a.z-rise) > 0.0006 {
				t.Fatalf("line %d: %.4f above the plane, want %.4f (%+v)", i+1, b.z-a.z, rise, p)
			}
			if math.Abs(b.e-a.e*factor) > 1.1e-5 {
				t.Fatalf("line %d: %.6f of plastic for %.6f, want %.6f (%+v)", i+1, b.e, a.e, a.e*factor, p)
			}
		}
	}
}
