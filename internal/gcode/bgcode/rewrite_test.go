package bgcode_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/bgcodetest"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/meatpack"
)

func TestRewriteKeepsSpacesPackedWhereTheyWere(t *testing.T) {
	packed, err := new(meatpack.Encoder).Append(nil, []byte("G1 X1 E1\n"))
	if err != nil {
		t.Fatal(err)
	}
	in := bgcodetest.File(bgcodetest.Compressed(bgcode.GCode, bgcode.Uncompressed, []byte{1, 0}, packed))
	var out bytes.Buffer
	if err := bgcode.Rewrite(bytes.NewReader(in), &out, identity); err != nil || !bytes.Equal(out.Bytes(), in) {
		t.Errorf("got %q, %v; want %q", out.Bytes(), err, in)
	}
}

// preamble returns how many bytes of a file come before its G-code.
func preamble() int { return len(bgcodetest.File(bgcodetest.Preamble()...)) }

func TestRewriteKeepsTheTextAndAllOtherBlocks(t *testing.T) {
	text := printText()
	for _, compression := range compressions {
		for _, encoding := range encodings {
			in := bgcodetest.Print(compression, encoding, 7777, text)
			var out bytes.Buffer
			if err := bgcode.Rewrite(bytes.NewReader(in), &out, identity); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes()[:preamble()], in[:preamble()]) {
				t.Errorf("compression %d, encoding %d: the blocks before the G-code changed", compression, encoding)
			}
			if got := readText(t, out.Bytes()); got != text {
				t.Errorf("compression %d, encoding %d: the text changed", compression, encoding)
			}
			r, err := bgcode.NewReader(&out, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			if b := r.Block(); b.Compression != compression || b.Encoding != encoding {
				t.Errorf("compression %d, encoding %d became %d, %d", compression, encoding, b.Compression, b.Encoding)
			}
		}
	}
}

func TestRewriteCutsBlocksBehindTheLastLineWithin64KB(t *testing.T) {
	const line = "G1X1Y2E.3;30 bytes each, so .\n"
	const linesInBlock = 65536 / len(line)
	text := strings.Repeat(line, 5000)
	for _, compression := range compressions {
		for _, encoding := range encodings {
			in := bgcodetest.Print(compression, encoding, 10_000, text)
			want := bgcodetest.Print(compression, encoding, linesInBlock*len(line), text)
			for name, transform := range map[string]func(in *bgcode.Reader, out io.Writer) error{
				"copied": identity,
				"written by the byte": func(in *bgcode.Reader, out io.Writer) error {
					_, err := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1))
					return err
				},
				"written at once": func(in *bgcode.Reader, out io.Writer) error {
					_, err := io.WriteString(out, text)
					return err
				},
			} {
				var out bytes.Buffer
				if err := bgcode.Rewrite(bytes.NewReader(in), &out, transform); err != nil || !bytes.Equal(out.Bytes(), want) {
					t.Errorf("compression %d, encoding %d, %s: not the expected blocks, %v", compression, encoding, name, err)
				}
			}
		}
	}
}

func TestRewriteChangesTheText(t *testing.T) {
	upper := func(in *bgcode.Reader, out io.Writer) error {
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		_, err = out.Write(append([]byte("; stamp\n"), bytes.ReplaceAll(text, []byte("Z0.2"), []byte("Z0.3 ; raised"))...))
		return err
	}
	for _, encoding := range encodings {
		in := bgcodetest.Print(bgcode.Heatshrink12x4, encoding, 50, "G28\nG1Z0.2F720\nG1 X1E.2\n")
		var out bytes.Buffer
		if err := bgcode.Rewrite(bytes.NewReader(in), &out, upper); err != nil {
			t.Fatal(err)
		}
		if got := readText(t, out.Bytes()); got != "; stamp\nG28\nG1Z0.3 ; raisedF720\nG1 X1E.2\n" {
			t.Errorf("encoding %d: got %q", encoding, got)
		}
	}
}

func TestRewriteToNothing(t *testing.T) {
	for _, compression := range compressions {
		in := bgcodetest.Print(compression, bgcode.MeatPack, 50, "G28\n")
		var out bytes.Buffer
		nothing := func(*bgcode.Reader, io.Writer) error { return nil }
		if err := bgcode.Rewrite(bytes.NewReader(in), &out, nothing); err != nil {
			t.Fatal(err)
		}
		if got := readText(t, out.Bytes()); got != "" {
			t.Errorf("got %q", got)
		}
	}
}

func TestRewriteWithoutChecksums(t *testing.T) {
	in := bgcodetest.Header(1, 0)
	for _, b := range append(bgcodetest.Preamble(), bgcodetest.Text(bgcode.Deflate, bgcode.Plain, 5, "G28\nM84\n")...) {
		raw := b.Bytes()
		in = append(in, raw[:len(raw)-4]...)
	}
	var out bytes.Buffer
	if err := bgcode.Rewrite(bytes.NewReader(in), &out, identity); err != nil {
		t.Fatal(err)
	}
	if got := readText(t, out.Bytes()); got != "G28\nM84\n" {
		t.Errorf("got %q", got)
	}
}

type failingWriter struct{ after int }

var errDisk = errors.New("disk full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestRewriteReportsTheErrorsOfItsStreamsAndOfTransform(t *testing.T) {
	in := bgcodetest.Print(bgcode.Deflate, bgcode.Plain, 100, printText())
	for _, after := range []int{0, 20, preamble() - 1, preamble() + 10} {
		err := bgcode.Rewrite(bytes.NewReader(in), &failingWriter{after}, identity)
		if !errors.Is(err, errDisk) {
			t.Errorf("writer failing after %d bytes: %v", after, err)
		}
	}
	broken := errors.New("broken")
	for _, after := range []int64{0, 5, 30, int64(preamble()) + 1000} {
		src := io.MultiReader(io.LimitReader(bytes.NewReader(in), after), iotest.ErrReader(broken))
		if err := bgcode.Rewrite(src, io.Discard, identity); !errors.Is(err, broken) {
			t.Errorf("reader failing after %d bytes: %v", after, err)
		}
	}
	fail := func(*bgcode.Reader, io.Writer) error { return broken }
	if err := bgcode.Rewrite(bytes.NewReader(in), io.Discard, fail); !errors.Is(err, broken) {
		t.Errorf("transform failing: %v", err)
	}
}

func TestRewriteReportsDamageThatTransformDidNotSee(t *testing.T) {
	in := bgcodetest.Print(bgcode.Deflate, bgcode.Plain, 1000, printText())
	in[len(in)-1] ^= 1
	for name, transform := range map[string]func(in *bgcode.Reader, out io.Writer) error{
		"reads nothing": func(*bgcode.Reader, io.Writer) error { return nil },
		"swallows it": func(in *bgcode.Reader, out io.Writer) error {
			io.Copy(out, in) //nolint:errcheck // what this test is about
			return nil
		},
		"takes it for something else": func(in *bgcode.Reader, out io.Writer) error {
			io.Copy(out, in) //nolint:errcheck // what this test is about
			return errors.New("something else")
		},
	} {
		err := bgcode.Rewrite(bytes.NewReader(in), io.Discard, transform)
		if reason := reasonOf(err); reason != bgcode.ReasonChecksum {
			t.Errorf("transform %s: %v", name, err)
		}
	}
}

func TestTextThatMeatPackCannotHold(t *testing.T) {
	in := bgcodetest.Print(bgcode.Deflate, bgcode.MeatPack, 1000, "G28\n")
	err := bgcode.Rewrite(bytes.NewReader(in), io.Discard, func(_ *bgcode.Reader, out io.Writer) error {
		_, err := io.WriteString(out, "; \xff\xff\n")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "0xFF") {
		t.Errorf("got %v", err)
	}
	// A line longer than a block is cut, but not where a lone 0xFF would be the last byte of a block.
	long := strings.Repeat("\xffx", 70_000) + "\n"
	var out bytes.Buffer
	if err := bgcode.Rewrite(bytes.NewReader(in), &out, func(_ *bgcode.Reader, out io.Writer) error {
		_, err := io.WriteString(out, "a"+long)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := readText(t, out.Bytes()); got != "a"+long {
		t.Error("a long line with 0xFF in it changed")
	}
}

func BenchmarkRewrite(b *testing.B) {
	text := printText()
	file := bgcodetest.Print(bgcode.Heatshrink12x4, bgcode.MeatPackComments, 65536, text)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := bgcode.Rewrite(bytes.NewReader(file), io.Discard, identity); err != nil {
			b.Fatal(err)
		}
	}
}
