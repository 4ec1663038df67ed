package lex

import (
	"bytes"
	"testing"
)

func TestParseMove(t *testing.T) {
	for _, tt := range []struct {
		in      string
		number  int
		has     Words
		x, z, e int64
		zText   string
		eText   string
		end     int // offset behind the last word
		comment int
		bad     bool
	}{
		{in: "G1 X10.5 Y2 E.04125 F1800\n", number: 1, has: HasX | HasY | HasE | HasF, x: 10_500_000, e: 41_250,
			eText: ".04125", end: 25, comment: 25},
		{in: "G01X1Z.6 ; lift ; twice\r\n", number: 1, has: HasX | HasZ, x: 1_000_000, z: 600_000, zText: ".6",
			end: 8, comment: 9},
		{in: "g1 x-1 e-.8", number: 1, has: HasX | HasE, x: -1_000_000, e: -800_000, eText: "-.8", end: 11, comment: 11},
		{in: "  N12 G3 Z.6 I1.2 J0 P1 F100\n", number: 3, has: HasZ | HasI | HasJ | HasF | HasOther, z: 600_000,
			zText: ".6", end: 28, comment: 28},
		{in: "G1 X 10 (note X5) Y1\n", number: 1, has: HasX | HasY, x: 10_000_000, end: 20, comment: 20},
		{in: "G1 X1 X2\n", number: 1, has: HasX, x: 2_000_000, end: 8, comment: 8, bad: true},
		{in: "G1 X E1\n", number: 1, has: HasE, e: 1_000_000, eText: "1", end: 7, comment: 7, bad: true},
		{in: "G1 Enan\n", number: 1, end: 7, comment: 7, bad: true},
		{in: "G1 E1e21\n", number: 1, has: HasE, e: 21_000_000, eText: "21", end: 8, comment: 8, bad: true},
	} {
		var l Line
		l.Parse([]byte(tt.in))
		z, e := tt.in[l.ZAt.Start:l.ZAt.End], tt.in[l.EAt.Start:l.EAt.End]
		if l.Kind != Move || l.Number != tt.number || l.Has != tt.has || l.X != tt.x || l.Z != tt.z || l.E != tt.e ||
			z != tt.zText || e != tt.eText || l.End != tt.end || l.Comment != tt.comment || l.Bad != tt.bad {
			t.Errorf("Parse(%q) = %+v (z %q, e %q)", tt.in, l, z, e)
		}
	}
}

func TestParseKinds(t *testing.T) {
	for _, tt := range []struct {
		in       string
		kind     Kind
		letter   byte
		number   int
		comment  string
		checksum bool
	}{
		{in: "\r\n", kind: Blank},
		{in: " \t", kind: Blank},
		{in: " ; TYPE:Perimeter \r\n", kind: Marker, comment: "TYPE:Perimeter"},
		{in: "G92 E0\n", kind: SetPosition, letter: 'G', number: 92},
		{in: "G92.1\n", kind: Command, letter: 'G', number: -1},
		{in: "G1.5 X1\n", kind: Command, letter: 'G', number: -1},
		{in: "M204 P2000 ; slow\n", kind: Command, letter: 'M', number: 204, comment: "slow"},
		{in: "T1\n", kind: Command, letter: 'T', number: 1},
		{in: "G10\n", kind: Command, letter: 'G', number: 10},
		{in: "N7 G1 X1*83\n", kind: Move, letter: 'G', number: 1, checksum: true},
		{in: "N7 M104 S200*83 ; hot\n", kind: Command, letter: 'M', number: 104, comment: "hot", checksum: true},
		{in: "SET_VELOCITY_LIMIT ACCEL=500\n", kind: Opaque},
		{in: "EXCLUDE_OBJECT_START NAME=a;b\n", kind: Opaque, comment: "b"},
		{in: "M117 4*4\n", kind: Command, letter: 'M', number: 117},
		{in: "\xef\xbb\xbf; generated\n", kind: Opaque, comment: "generated"},
		{in: "G999999999999 X1\n", kind: Command, letter: 'G', number: -1},
	} {
		var l Line
		l.Parse([]byte(tt.in))
		comment := string(l.CommentText([]byte(tt.in)))
		if l.Kind != tt.kind || l.Letter != tt.letter || l.Number != tt.number || comment != tt.comment ||
			l.Checksum != tt.checksum {
			t.Errorf("Parse(%q) = %+v, comment %q", tt.in, l, comment)
		}
	}
}

func TestNextLineKeepsEveryByte(t *testing.T) {
	for _, in := range []string{"", "a", "a\n", "a\r\nb", "\n\n", "a\rb\n", "a\r"} {
		var got []byte
		for rest := []byte(in); len(rest) > 0; {
			var line []byte
			line, rest = NextLine(rest)
			if len(line) == 0 {
				t.Fatalf("NextLine returned an empty line in %q", in)
			}
			got = append(got, line...)
		}
		if string(got) != in {
			t.Errorf("lines of %q make %q", in, got)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	line := []byte("G1 X104.104 Y89.654 E.03173 ; bead\n")
	var l Line
	if n := testing.AllocsPerRun(100, func() { l.Parse(line) }); n != 0 {
		t.Errorf("Parse allocates %v times", n)
	}
}

// FuzzParse checks that no line makes the parser leave the line, and that the numbers it points at are those it read.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"G1 X1 Y2 E.3 F4\n", "G92 E0\r\n", "N1 G1 X1*7", "G1 X(", "G3 Z.6 I1 J0 P1", "; LAYER:1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		line, _ := NextLine(data)
		var l Line
		l.Parse(line)
		if l.Body > len(line) || l.Comment > l.Body || l.End > l.Comment && l.Kind != Blank || l.End < 0 {
			t.Fatalf("offsets of %q: %+v", line, l)
		}
		if bytes.IndexByte(line[:l.Body], '\n') >= 0 {
			t.Fatalf("body of %q holds a line end", line)
		}
		if l.Kind != Move && l.Kind != SetPosition || l.Bad {
			return
		}
		if v, n, ok := ParseDecimal(line[l.EAt.Start:l.EAt.End]); l.Has&HasE != 0 &&
			(!ok || v != l.E || n != l.EAt.End-l.EAt.Start) {
			t.Fatalf("E of %q: %+v", line, l)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	line := []byte("G1 X104.104 Y89.654 E.03173\n")
	var l Line
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		l.Parse(line)
	}
}
