package bricking_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/prints"
)

// A spelling writes the same print in another way. None of them may change what is raised.
type spelling struct {
	name string
	line func(n int, line string) string // takes and gives a line without its end; may give several
}

var (
	motion  = regexp.MustCompile(`^G[0-3] `)
	words   = regexp.MustCompile(` ?([A-Z])(-?[0-9.]+)`)
	firstX  = regexp.MustCompile(`^(G[01])( X[0-9.]+ Y[0-9.]+)(.*)$`)
	labels  = regexp.MustCompile(`^; ?(TYPE|FEATURE|LAYER_CHANGE|LAYER|HEIGHT|WIDTH|Z)`)
	swapped = map[byte]int{'E': 0, 'F': 1, 'Z': 2, 'Y': 3, 'X': 4, 'I': 5, 'J': 6}
)

func onMotion(change func(n int, line string) string) func(int, string) string {
	return func(n int, line string) string {
		if motion.MatchString(line) && !strings.Contains(line, ";") {
			return change(n, line)
		}
		return line
	}
}

var spellings = []spelling{
	{"no blanks", onMotion(func(_ int, s string) string { return strings.ReplaceAll(s, " ", "") })},
	{"trailing blanks", func(n int, s string) string { return s + []string{"", " ", "\t ", "   "}[n%4] }},
	{"leading blanks", func(n int, s string) string { return []string{"", "  ", "\t"}[n%3] + s }},
	{"mixed line ends", func(n int, s string) string { return s + []string{"", "\r", ""}[n%3] }},
	{"comments without a blank", onMotion(func(n int, s string) string { return s + fmt.Sprintf(";%d", n) })},
	{"comments that look like markers", onMotion(func(n int, s string) string {
		return s + []string{" ;TYPE:External perimeter", " ; FEATURE: Outer wall", " ;LAYER_CHANGE", " ;LAYER:7"}[n%4]
	})},
	{"plus signs", onMotion(func(_ int, s string) string {
		return s[:2] + words.ReplaceAllStringFunc(s[2:], func(w string) string {
			if strings.Contains(w, "-") {
				return w
			}
			return w[:2] + "+" + w[2:]
		})
	})},
	{"E first", onMotion(func(_ int, s string) string {
		found := words.FindAllString(s[2:], -1)
		out := s[:2]
		for rank := range 7 {
			for _, w := range found {
				if swapped[w[1]] == rank && !strings.Contains(s, "P") {
					out += w
				}
			}
		}
		if strings.Contains(s, "P") {
			return s
		}
		return out
	})},
	{"more decimals", onMotion(func(_ int, s string) string {
		return s[:2] + words.ReplaceAllStringFunc(s[2:], func(w string) string {
			if strings.Contains(w, ".") && !strings.Contains(w, "E") {
				return w + "000"
			}
			return w
		})
	})},
	{"lower case", onMotion(func(_ int, s string) string { return strings.ToLower(s) })},
	{"labels with blanks and capitals", func(_ int, s string) string {
		if labels.MatchString(s) {
			return "; " + strings.ToUpper(strings.Replace(s[1:], ":", ": ", 1))
		}
		return s
	}},
	{"blank lines", func(n int, s string) string { return s + []string{"", "\n", "\n \n"}[n%3] }},
	{"messages", func(n int, s string) string {
		if n%5 == 0 && !strings.HasPrefix(s, ";") {
			return "M117 G1 X1 Y1 E99 *5 ; TYPE:Perimeter\n" + s
		}
		return s
	}},
	{"unknown commands", func(n int, s string) string {
		if n%3 == 0 && labels.MatchString(s) {
			return "TIMELAPSE_TAKE_FRAME\n_MACRO X=1 E=2\n" + s + "\n@pause 3\n!beep"
		}
		return s
	}},
	{"modes again and again", func(_ int, s string) string {
		if labels.MatchString(s) {
			return "G90\nG21\nG17\n" + s
		}
		return s
	}},
	{"moves that do not move", onMotion(func(n int, s string) string {
		if n%7 == 0 && firstX.MatchString(s) {
			return s + "\n" + firstX.FindStringSubmatch(s)[1] + firstX.FindStringSubmatch(s)[2]
		}
		return s
	})},
	{"feed rates of their own", onMotion(func(n int, s string) string {
		if n%9 == 0 && !strings.Contains(s, "F") && strings.HasPrefix(s, "G1 X") {
			return "G1 F1777\n" + s
		}
		return s
	})},
	{"leading zeros", onMotion(func(_ int, s string) string { return "G0" + s[1:] })},
	{"line numbers", func(n int, s string) string {
		if motion.MatchString(s) {
			return fmt.Sprintf("N%d %s", n, s)
		}
		return s
	}},
	{"thumbnails in between", func(n int, s string) string {
		if n == 40 {
			return s + "\n; thumbnail begin 16x16 20\n; TYPE+brickupLAYERCHANGE/=\n; thumbnail end"
		}
		return s
	}},
}

func (s spelling) write(in []byte) []byte {
	var out bytes.Buffer
	lines := strings.SplitAfter(string(in), "\n")
	for n, line := range lines {
		body, ended := strings.CutSuffix(line, "\n")
		out.WriteString(s.line(n, body))
		if ended {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// TestSpellings writes prints in all ways that a printer understands, and demands the same result of them.
func TestSpellings(t *testing.T) {
	for _, o := range []prints.Options{
		{}, {Dialect: "cura", Switches: []string{"hop"}}, {Dialect: "bambu", Switches: []string{"arcs"}},
		{Dialect: "superslicer", Switches: []string{"abs", "wipe"}}, {Dialect: "ideamaker"}, {Dialect: "orca"},
	} {
		in := write(t, o)
		for _, s := range spellings {
			spelled := s.write(in)
			if bytes.Equal(in, spelled) && s.name != "labels with blanks and capitals" {
				t.Fatalf("%s: %q changes nothing", o.Name(), s.name)
			}
			for _, order := range orders {
				t.Run(o.Name()+"/"+s.name+"/"+string(order), func(t *testing.T) {
					t.Parallel()
					runSpelled(t, in, spelled, order)
				})
			}
		}
	}
}

func runSpelled(t *testing.T, in, spelled []byte, order brick.Order) {
	w := wishes[0]
	w.order = order
	opt := w.brick(t, in)
	res, out := result(t, spelled, opt)
	plain, _ := result(t, in, opt)
	if res.Stats.Raised != plain.Stats.Raised || res.Stats.Raised == 0 {
		t.Errorf("%d raised, %d as the slicer wrote it: %+v", res.Stats.Raised, plain.Stats.Raised, res)
	}
	judge := w.check(opt).WithSettings(in)
	judge.Exact = true
	report, err := check.Compare(bytes.NewReader(spelled), bytes.NewReader(out), judge)
	if err != nil {
		t.Fatal(err)
	}
	if report.Violations() > 0 {
		t.Error(report)
	}
}

func result(t *testing.T, in []byte, opt brick.Options) (*brick.Result, []byte) {
	t.Helper()
	var out bytes.Buffer
	res, err := brick.Transform(bytes.NewReader(in), &out, opt)
	if err != nil {
		t.Fatal(err)
	}
	return res, out.Bytes()
}
