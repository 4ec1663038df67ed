package lex

import (
	"math/big"
	"testing"
)

func TestParseDecimal(t *testing.T) {
	for _, tt := range []struct {
		in   string
		v    int64
		n    int
		fail bool
	}{
		{in: "1", v: 1_000_000, n: 1},
		{in: "-2.5 F4200", v: -2_500_000, n: 4},
		{in: ".41252", v: 412_520, n: 6},
		{in: "-.04", v: -40_000, n: 4},
		{in: "+.6", v: 600_000, n: 3},
		{in: "12.", v: 12_000_000, n: 3},
		{in: "0.1234565", v: 123_457, n: 9},
		{in: "-0.12345649", v: -123_456, n: 11},
		{in: "1000000", v: MaxValue, n: 7},
		{in: "1000000.1", n: 9, fail: true},
		{in: "1e21", v: 1_000_000, n: 1},
		{in: "99999999999999999999999999.5", n: 28, fail: true},
		{in: "", fail: true},
		{in: "-", n: 1, fail: true},
		{in: ".", n: 1, fail: true},
		{in: "nan", fail: true},
	} {
		v, n, ok := ParseDecimal([]byte(tt.in))
		if ok == tt.fail || n != tt.n || (ok && v != tt.v) {
			t.Errorf("ParseDecimal(%q) = %d, %d, %v; want %d, %d, %v", tt.in, v, n, ok, tt.v, tt.n, !tt.fail)
		}
	}
}

func TestAppendDecimal(t *testing.T) {
	for _, tt := range []struct {
		v        int64
		decimals int
		bare     bool
		want     string
	}{
		{0, 5, true, "0"},
		{-3, 5, true, "0"},
		{-5, 5, true, "-.00001"},
		{412_520, 5, true, ".41252"},
		{412_520, 5, false, "0.41252"},
		{1_500_000, 5, true, "1.5"},
		{-2_000_000, 3, false, "-2"},
		{123_456, 3, false, "0.123"},
		{1_999_600, 3, false, "2"},
		{MaxValue, 6, false, "1000000"},
	} {
		if got := string(AppendDecimal(nil, tt.v, tt.decimals, tt.bare)); got != tt.want {
			t.Errorf("AppendDecimal(%d, %d, %v) = %q, want %q", tt.v, tt.decimals, tt.bare, got, tt.want)
		}
	}
}

// FuzzDecimal compares with math/big: what is parsed is the number written, and writing it again loses nothing.
func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1", "-.04", "12.", "0.1234565", "+7.25", "999999.9999996", "1000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, n, ok := ParseDecimal([]byte(s))
		if n < 0 || n > len(s) {
			t.Fatalf("ParseDecimal(%q) read %d bytes", s, n)
		}
		if !ok {
			return
		}
		want, valid := new(big.Rat).SetString(s[:n])
		if !valid {
			t.Fatalf("ParseDecimal(%q) accepted %q", s, s[:n])
		}
		diff := new(big.Rat).Sub(want, big.NewRat(v, Unit))
		if diff.Abs(diff).Cmp(big.NewRat(1, 2*Unit)) > 0 {
			t.Fatalf("ParseDecimal(%q) = %d", s, v)
		}
		text := AppendDecimal(nil, v, 6, true)
		if back, m, ok := ParseDecimal(text); !ok || m != len(text) || back != v {
			t.Fatalf("%d written as %q reads as %d", v, text, back)
		}
	})
}
