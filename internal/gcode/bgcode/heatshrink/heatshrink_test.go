package heatshrink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

var configs = map[string]Config{"11/4": Config11x4, "12/4": Config12x4}

// bitsOf packs a string of 0 and 1 (blanks ignored) into bytes, zero-filled at the end.
func bitsOf(s string) []byte {
	s = strings.ReplaceAll(s, " ", "")
	out := make([]byte, (len(s)+7)/8)
	for i, c := range s {
		if c == '1' {
			out[i/8] |= 0x80 >> (i % 8)
		}
	}
	return out
}

func literal(c byte) string { return fmt.Sprintf("1%08b ", c) }

func match(cfg Config, dist, length int) string {
	return fmt.Sprintf("0%0*b%0*b ", cfg.window, dist-1, cfg.lookahead, length-1)
}

func TestStreamsByHand(t *testing.T) {
	for name, cfg := range configs {
		tests := map[string]struct{ stream, text string }{
			"empty":                        {"", ""},
			"one literal":                  {literal('G'), "G"},
			"a match of what is behind":    {literal('a') + literal('b') + literal('c') + match(cfg, 3, 3), "abcabc"},
			"a match of itself":            {literal('a') + match(cfg, 1, 16), strings.Repeat("a", 17)},
			"eight literals fill a byte":   {strings.Repeat(literal('x'), 8), "xxxxxxxx"},
			"zeros before the stream":      {match(cfg, 1, 3) + literal('Z'), "\x00\x00\x00Z"},
			"the oldest zeros":             {match(cfg, 1<<cfg.window, 16) + literal('Z'), strings.Repeat("\x00", 16) + "Z"},
			"from the zeros into the text": {literal('q') + match(cfg, 3, 4), "q\x00\x00q\x00"},
		}
		for what, tt := range tests {
			t.Run(name+"/"+what, func(t *testing.T) {
				got, err := io.ReadAll(NewReader(bytes.NewReader(bitsOf(tt.stream)), cfg))
				if err != nil || string(got) != tt.text {
					t.Fatalf("read %q, %v; want %q", got, err, tt.text)
				}
			})
		}
	}
}

func TestMatchesThatOverlapThemselves(t *testing.T) {
	const alphabet = "abcdefghijklmnopq"
	for dist := 1; dist <= len(alphabet); dist++ {
		var stream, want string
		for i := range dist {
			stream += literal(alphabet[i])
		}
		stream += match(Config12x4, dist, 16)
		want = strings.Repeat(alphabet[:dist], 17)[:dist+16]
		got, err := io.ReadAll(NewReader(bytes.NewReader(bitsOf(stream)), Config12x4))
		if err != nil || string(got) != want {
			t.Errorf("distance %d: read %q, %v; want %q", dist, got, err, want)
		}
	}
}

func TestTruncatedStream(t *testing.T) {
	for name, cfg := range configs {
		for what, stream := range map[string]string{
			"in a literal":                   literal('a') + "1000",
			"in a match":                     literal('a') + match(cfg, 1, 3)[:12],
			"a whole byte of zeros too many": literal('a') + strings.Repeat("0", 7+8),
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				got, err := io.ReadAll(NewReader(bytes.NewReader(bitsOf(stream)), cfg))
				if !errors.Is(err, ErrTruncated) || string(got) != "a" {
					t.Fatalf("read %q, %v; want \"a\" and ErrTruncated", got, err)
				}
			})
		}
	}
}

func TestReaderPassesOnTheSourcesError(t *testing.T) {
	broken := errors.New("broken")
	src := io.MultiReader(bytes.NewReader(bitsOf(literal('a'))), iotest.ErrReader(broken))
	if got, err := io.ReadAll(NewReader(src, Config12x4)); !errors.Is(err, broken) || string(got) != "a" {
		t.Fatalf("read %q, %v; want \"a\" and the source's error", got, err)
	}
}

// samples are buffers that exercise the window, the lookahead and runs across their limits.
func samples() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	var lines bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&lines, "G1 X%.3f Y%.3f E%.5f\n", rng.Float64()*200, rng.Float64()*200, float64(i%7)/100)
	}
	far := append(bytes.Repeat([]byte("0123456789abcdef"), 1), noise[:1<<12-16]...)
	return map[string][]byte{
		"empty": {}, "one byte": {'a'}, "two bytes": {'a', 'b'}, "zeros": make([]byte, 5000), "noise": noise,
		"lines": lines.Bytes(), "a match at the window's edge": append(far, far[:16]...),
		"a match one beyond the edge": append(append(far[:16:16], noise[:1<<12-15]...), far[:16]...),
	}
}

func TestRoundTrip(t *testing.T) {
	for name, cfg := range configs {
		enc := NewEncoder(cfg)
		dec := NewReader(nil, cfg)
		for what, text := range samples() {
			stream := enc.Append([]byte("before"), text)
			if !bytes.HasPrefix(stream, []byte("before")) {
				t.Fatalf("%s %s: Append lost what was before", name, what)
			}
			for how, src := range map[string]io.Reader{
				"whole":       bytes.NewReader(stream[6:]),
				"by the byte": iotest.OneByteReader(bytes.NewReader(stream[6:])),
				"eof in hand": iotest.DataErrReader(bytes.NewReader(stream[6:])),
			} {
				dec.Reset(src)
				if got, err := io.ReadAll(dec); err != nil || !bytes.Equal(got, text) {
					t.Errorf("%s %s %s: round trip changed %d bytes into %d, %v", name, what, how, len(text), len(got), err)
				}
			}
		}
	}
}

// longestByBruteForce is the reference encoder's rule, spelt out.
func longestByBruteForce(history []byte, pos, window, lookahead int) (length, dist int) {
	for d := 1; d <= window; d++ {
		n := 0
		for n < lookahead && pos+n < len(history) && history[pos+n] == history[pos+n-d] {
			n++
		}
		if n > length {
			length, dist = n, d
		}
	}
	return length, dist
}

func TestEncoderTakesTheLongestThenNearestMatch(t *testing.T) {
	for name, cfg := range configs {
		for what, text := range samples() {
			text = text[:min(len(text), 9000)]
			window := 1 << cfg.window
			history := append(make([]byte, window), text...)
			var want strings.Builder
			for pos := window; pos < len(history); {
				length, dist := longestByBruteForce(history, pos, window, 1<<cfg.lookahead)
				if length < 3 {
					want.WriteString(literal(history[pos]))
					pos++
					continue
				}
				want.WriteString(match(cfg, dist, length))
				pos += length
			}
			if got := NewEncoder(cfg).Append(nil, text); !bytes.Equal(got, bitsOf(want.String())) {
				t.Errorf("%s %s: not the reference encoder's stream", name, what)
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	enc := NewEncoder(Config12x4)
	for _, text := range samples() {
		f.Add(enc.Append(nil, text[:min(len(text), 500)]), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, wide bool) {
		cfg := Config11x4
		if wide {
			cfg = Config12x4
		}
		text, err := io.ReadAll(NewReader(bytes.NewReader(stream), cfg))
		if most := len(stream)*8/int(cfg.matchBits())*16 + 16; len(text) > most {
			t.Fatalf("%d bytes made %d, more than the format can", len(stream), len(text))
		}
		slow, slowErr := io.ReadAll(NewReader(iotest.OneByteReader(bytes.NewReader(stream)), cfg))
		if !bytes.Equal(text, slow) || !errors.Is(slowErr, err) {
			t.Fatalf("read by the byte: %d bytes, %v; at once: %d bytes, %v", len(slow), slowErr, len(text), err)
		}
		if err != nil && !errors.Is(err, ErrTruncated) {
			t.Fatal(err)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, text := range samples() {
		f.Add(text[:min(len(text), 500)], true)
	}
	enc := map[bool]*Encoder{false: NewEncoder(Config11x4), true: NewEncoder(Config12x4)}
	f.Fuzz(func(t *testing.T, text []byte, wide bool) {
		stream := enc[wide].Append(nil, text)
		got, err := io.ReadAll(NewReader(bytes.NewReader(stream), enc[wide].cfg))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("round trip changed %q into %q, %v", text, got, err)
		}
	})
}

func benchmarkText() []byte { return samples()["lines"][:64<<10] }

func BenchmarkEncoder(b *testing.B) {
	enc, text := NewEncoder(Config12x4), benchmarkText()
	var dst []byte
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		dst = enc.Append(dst[:0], text)
	}
}

func BenchmarkReader(b *testing.B) {
	text := benchmarkText()
	stream := NewEncoder(Config12x4).Append(nil, text)
	src, dec := bytes.NewReader(nil), NewReader(nil, Config12x4)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		src.Reset(stream)
		dec.Reset(src)
		if _, err := io.Copy(io.Discard, dec); err != nil {
			b.Fatal(err)
		}
	}
}
