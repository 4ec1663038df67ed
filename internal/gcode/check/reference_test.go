package check_test

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/test/prints"
)

// sample is a generated print as lines, and what is true of its loops.
type sample struct {
	lines []string
	loops []prints.Loop
}

func generate(t *testing.T, o prints.Options) sample {
	t.Helper()
	var s sample
	var out bytes.Buffer
	if err := prints.Write(&out, o, func(l prints.Loop) { s.loops = append(s.loops, l) }); err != nil {
		t.Fatal(err)
	}
	s.lines = strings.SplitAfter(out.String(), "\n")
	return s
}

// rise says by how many quarters of their layers a loop and the one below it are raised.
type rise func(l prints.Loop) (here, below int)

func asRight(l prints.Loop) (here, below int) {
	return l.Steps(2, 2, func(int) bool { return false })
}

const multiplier = 1.05

// bricked is the smallest transform there can be: it knows which loops to raise from the generator, and only handles
// relative extrusion and one dialect.
func (s sample) bricked(r rise) []string {
	out := append([]string(nil), s.lines...)
	loops := map[int]prints.Loop{}
	for _, l := range s.loops {
		loops[l.FirstLine-1] = l
	}
	plane, lift, residue, last := 0.0, 0.0, 0.0, 0
	for i := 0; i < len(out); i++ {
		line := s.lines[i]
		if v, ok := word(line, 'Z'); ok {
			plane, lift = v, 0
		}
		if !isBead(line) {
			continue
		}
		l, isLoop := loops[i]
		here, below := 0, 0
		if isLoop {
			here, below = r(l)
		}
		want := math.Round(float64(here)/4*l.Height*1000) / 1000
		if here > 0 || lift != want {
			stamp := " ; brick up"
			if here == 0 {
				stamp = " ; brick down"
			}
			carry(out, last, i, plane+want, stamp)
			lift = want
		}
		end := i
		if isLoop {
			end = l.LastLine - 1
			if !l.Visible && l.Layer > 1 {
				scale(out[i:end+1], multiplier*(1+float64(here-below)/4), &residue)
			}
		}
		i, last = end, end
	}
	return append([]string{out[0], "; bricked by a test\n"}, out[1:]...)
}

func isBead(line string) bool {
	_, x := word(line, 'X')
	e, ok := word(line, 'E')
	return strings.HasPrefix(line, "G1 ") && x && ok && e > 0
}

func word(line string, letter byte) (float64, bool) {
	if !strings.HasPrefix(line, "G1 ") {
		return 0, false
	}
	for _, f := range strings.Fields(line) {
		if f[0] == ';' {
			break
		}
		if f[0] == letter {
			v, err := strconv.ParseFloat(f[1:], 64)
			return v, err == nil
		}
	}
	return 0, false
}

// carry puts a height on the last positioning move between two lines.
func carry(out []string, from, to int, z float64, stamp string) {
	for i := to - 1; i > from; i-- {
		_, hasE := word(out[i], 'E')
		_, hasX := word(out[i], 'X')
		_, hasZ := word(out[i], 'Z')
		if !strings.HasPrefix(out[i], "G1 ") || hasE || !hasX && !hasZ {
			continue
		}
		line := strings.TrimRight(out[i], "\r\n")
		if hasZ {
			fields := strings.Fields(line)
			for k, f := range fields {
				if f[0] == 'Z' {
					fields[k] = number('Z', z, 3)
				}
			}
			line = strings.Join(fields, " ")
		} else {
			line += " " + number('Z', z, 3)
		}
		out[i] = line + stamp + "\n"
		return
	}
	panic(fmt.Sprintf("no carrier before line %d", to+1))
}

func number(letter byte, v float64, decimals int) string {
	text := strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v, 'f', decimals, 64), "0"), ".")
	return string(letter) + strings.TrimPrefix(text, "0")
}

func scale(lines []string, factor float64, residue *float64) {
	for i, line := range lines {
		e, ok := word(line, 'E')
		if !ok {
			continue
		}
		exact := e*factor + *residue
		given := math.Round(exact*1e5) / 1e5
		*residue = exact - given
		at := strings.Index(line, " E")
		end := strings.IndexAny(line[at+1:], " \r\n") + at + 1
		lines[i] = line[:at+1] + number('E', given, 5) + line[end:]
	}
}
