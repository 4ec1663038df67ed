package meatpack

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func decode(src []byte, size int) (string, error) {
	var d Decoder
	var out []byte
	var err error
	for len(src) > 0 && err == nil {
		n := min(size, len(src))
		out, err = d.Append(out, src[:n])
		src = src[n:]
	}
	if err == nil {
		err = d.End()
	}
	return string(out), err
}

const on, off, noSpaces, spaces = "\xff\xff\xfb", "\xff\xff\xfa", "\xff\xff\xf7", "\xff\xff\xf6"

func TestDecodeByHand(t *testing.T) {
	for name, tt := range map[string]struct {
		data, text string
		err        error
	}{
		"nothing":                   {"", "", nil},
		"unpacked at first":         {"G1 X5\n", "G1 X5\n", nil},
		"two packed":                {on + "\x1d\xb1\xcc", "G11 \n", nil},
		"no spaces":                 {on + noSpaces + "\x1d\xb1\xcc", "G11E\n", nil},
		"no spaces before packing":  {noSpaces + on + "\xcb", "E\n", nil},
		"spaces again":              {on + noSpaces + spaces + "\xcb", " \n", nil},
		"first whole":               {on + "\xcfM", "M\n", nil},
		"second whole":              {on + "\xf1Y\xcc", "1Y\n", nil},
		"both whole":                {on + "\xffYZ\xcc", "YZ\n", nil},
		"padding is not a line":     {on + "\x21\xcc\x43\xcc", "12\n34\n", nil},
		"newline, then padded line": {on + "\xc1\xcc", "1\n\n", nil},
		"comment as PrusaSlicer writes it": {
			on + noSpaces + off + "; \n" + on + "\x7fM\xf3 \x0fP\xff R\x85\xcc", "; \nM73 P0 R58\n", nil,
		},
		"0xFF in unpacked text":    {"a\xffb", "a\xffb", nil},
		"reset":                    {on + noSpaces + "\xff\xff\xf9" + "E" + on + "\xcb", "E \n", nil},
		"query":                    {"\xff\xff\xf8" + "a", "a", nil},
		"unknown command":          {"\xff\xff\x01", "", ErrCommand},
		"newline and a character":  {on + "\x1c", "", ErrAmbiguous},
		"newline and a whole byte": {on + "\xfcX", "", ErrAmbiguous},
		"packed 0xFF, first":       {on + "\x1f\xff", "", ErrAmbiguous},
		"packed 0xFF, second":      {on + "\xf1\xff", "1", ErrAmbiguous},
		"ends in a pair":           {on + "\xf1", "1", ErrTruncated},
		"ends in two whole bytes":  {on + "\xffY", "Y", ErrTruncated},
		"ends in a command":        {on + "\xff\xff", "", ErrTruncated},
		"ends in a signal":         {"a\xff", "a", ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 1000} {
				got, err := decode([]byte(tt.data), size)
				if got != tt.text || !errors.Is(err, tt.err) {
					t.Fatalf("in pieces of %d: %q, %v; want %q, %v", size, got, err, tt.text, tt.err)
				}
			}
		})
	}
}

func TestEncodeByHand(t *testing.T) {
	for name, tt := range map[string]struct {
		noSpaces   bool
		text, data string
	}{
		"nothing":             {false, "", on},
		"even":                {false, "G1 X5\n", on + "\x1d\xeb\xc5"},
		"odd":                 {false, "G1 X15\n", on + "\x1d\xeb\x51\xcc"},
		"no spaces":           {true, "X1E.5\n", on + noSpaces + "\x1e\xab\xc5"},
		"space, no spaces":    {true, "X E\n", on + noSpaces + "\xfe \xcb"},
		"whole bytes":         {false, "MY Z\n", on + "\xffMY\xfbZ\xcc"},
		"comment":             {true, "; a\n;b\nX1\n", on + noSpaces + off + "; a\n;b\n" + on + "\x1e\xcc"},
		"comment behind":      {true, "X1;_X\n", on + noSpaces + "\x1e\xff;_\xce"},
		"blank line":          {false, "1\n\n2\n", on + "\xc1\xcc\xc2"},
		"no newline at end":   {false, "1\n2", on + "\xc1" + off + "2"},
		"0xFF in a line":      {false, "1\xff\n2\n", on + off + "1\xff\n" + on + "\xc2"},
		"carriage return":     {false, "1\r\n", on + "\xf1\r\xcc"},
		"lower case is whole": {false, "g1\n", on + "\x1fg\xcc"},
	} {
		t.Run(name, func(t *testing.T) {
			e := Encoder{NoSpaces: tt.noSpaces}
			got, err := e.Append([]byte("before"), []byte(tt.text))
			if err != nil || string(got) != "before"+tt.data {
				t.Fatalf("got %q, %v; want %q", got, err, tt.data)
			}
			if back, err := decode(got[6:], 7); err != nil || back != tt.text {
				t.Fatalf("decodes to %q, %v", back, err)
			}
		})
	}
	for _, text := range []string{"a\xff\xff\n", "a\xff"} {
		if _, err := new(Encoder).Append(nil, []byte(text)); !errors.Is(err, ErrSignal) {
			t.Errorf("encoding %q: %v, want ErrSignal", text, err)
		}
	}
}

func TestDecoderRemembersTheTable(t *testing.T) {
	var d Decoder
	for _, step := range []struct {
		data string
		want bool
	}{{on + "\xcb", false}, {noSpaces + spaces, true}} {
		if _, err := d.Append(nil, []byte(step.data)); err != nil || d.NoSpaces() != step.want {
			t.Fatalf("after %q: %v, %v; want %v", step.data, d.NoSpaces(), err, step.want)
		}
	}
	if d.Reset(); d.NoSpaces() || d.packing {
		t.Fatal("Reset left something behind")
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(on+noSpaces+off+"; \n"+on+"\x7fM\xf3 \x0fP\xff R\x85\xcc"), uint8(1))
	f.Add([]byte(on+"\xffYZ\xcc\xfcX\xff\xff\xf9\xff1"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		text, err := decode(data, len(data)+1)
		pieces, piecesErr := decode(data, int(size)+1)
		if text != pieces || fmt.Sprint(piecesErr) != fmt.Sprint(err) {
			t.Fatalf("in pieces of %d: %q, %v; at once: %q, %v", int(size)+1, pieces, piecesErr, text, err)
		}
		if len(text) > 2*len(data) {
			t.Fatalf("%d bytes made %d", len(data), len(text))
		}
		if err == nil {
			roundTrip(t, []byte(text))
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("G1X1Y2E.3\n; a comment\nM73 P1\n\n\r\nno newline"))
	f.Add([]byte(";\xff\xff\n\xff"))
	f.Fuzz(roundTrip)
}

func roundTrip(t *testing.T, text []byte) {
	for _, e := range []Encoder{{}, {NoSpaces: true}} {
		data, err := e.Append(nil, text)
		if bad := bytes.Contains(text, []byte("\xff\xff")) || bytes.HasSuffix(text, []byte("\xff")); bad {
			if !errors.Is(err, ErrSignal) {
				t.Fatalf("encoding %q: %v, want ErrSignal", text, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("encoding %q: %v", text, err)
		}
		if got, err := decode(data, len(data)); err != nil || got != string(text) {
			t.Fatalf("round trip changed %q into %q, %v", text, got, err)
		}
	}
}

var benchmarkLines = []byte(strings.Repeat("G1X194.751Y162.797E.0677\n;TYPE:Perimeter\nM204 P4000\n", 1000))

func BenchmarkEncoder(b *testing.B) {
	b.SetBytes(int64(len(benchmarkLines)))
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = (&Encoder{NoSpaces: true}).Append(dst[:0], benchmarkLines); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	data, err := (&Encoder{NoSpaces: true}).Append(nil, benchmarkLines)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(benchmarkLines)))
	var dst []byte
	for b.Loop() {
		var d Decoder
		if dst, err = d.Append(dst[:0], data); err != nil {
			b.Fatal(err)
		}
	}
}
