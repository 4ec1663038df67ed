package bgcode_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/bgcodetest"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/meatpack"
)

var (
	compressions = []bgcode.Compression{
		bgcode.Uncompressed, bgcode.Deflate, bgcode.Heatshrink11x4, bgcode.Heatshrink12x4,
	}
	encodings = []bgcode.Encoding{bgcode.Plain, bgcode.MeatPack, bgcode.MeatPackComments}
)

// printText is some 300 KB of what a printer gets, one line longer than a block included.
func printText() string {
	var b strings.Builder
	b.WriteString("; made for a test\nM83\n")
	for layer := range 120 {
		fmt.Fprintf(&b, ";LAYER_CHANGE\n;Z:%d.2\nG1Z%d.2F720\nM204 P4000\n", layer, layer)
		for i := range 100 {
			fmt.Fprintf(&b, "G1X%d.%03dY%d.5E.0%d\n", 100+i, layer*i%1000, 50+i%7, 1000+layer+i)
		}
		if layer == 60 {
			fmt.Fprintf(&b, "; %s\n", strings.Repeat("a long comment ", 6000))
		}
	}
	return b.String() + "M84" // no newline at the end
}

func identity(in *bgcode.Reader, out io.Writer) error {
	_, err := io.Copy(out, in)
	return err
}

func readText(t *testing.T, file []byte) string {
	t.Helper()
	r, err := bgcode.NewReader(bytes.NewReader(file), bgcode.DefaultMaxText)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTextOfEveryCompressionAndEncoding(t *testing.T) {
	text := printText()
	for _, compression := range compressions {
		for _, encoding := range encodings {
			for _, size := range []int{9999, 65536, 1 << 20} {
				file := bgcodetest.Print(compression, encoding, size, text)
				if got := readText(t, file); got != text {
					t.Errorf("compression %d, encoding %d, blocks of %d: the text differs", compression, encoding, size)
				}
			}
		}
	}
}

func TestTextDoesNotDependOnHowTheFileIsRead(t *testing.T) {
	text := printText()[:20_000]
	file := bgcodetest.Print(bgcode.Heatshrink12x4, bgcode.MeatPack, 5000, text)
	for name, src := range map[string]io.Reader{
		"by the byte": iotest.OneByteReader(bytes.NewReader(file)),
		"by halves":   iotest.HalfReader(bytes.NewReader(file)),
		"eof in hand": iotest.DataErrReader(bytes.NewReader(file)),
	} {
		r, err := bgcode.NewReader(src, bgcode.DefaultMaxText)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := io.ReadAll(iotest.OneByteReader(r)); err != nil || string(got) != text {
			t.Errorf("%s: the text differs, %v", name, err)
		}
	}
}

func TestEveryBlockIsUnpackedOnItsOwn(t *testing.T) {
	meatpacked := func(data string) bgcodetest.Block {
		return bgcodetest.Compressed(bgcode.GCode, bgcode.Uncompressed, []byte{2, 0}, []byte(data))
	}
	file := bgcodetest.File(meatpacked("\xff\xff\xfb\x1d\xcc"), meatpacked("G2\n"))
	if got := readText(t, file); got != "G1\nG2\n" {
		t.Errorf("got %q", got)
	}
}

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

func TestMetadata(t *testing.T) {
	r, err := bgcode.NewReader(bytes.NewReader(bgcodetest.Print(bgcode.Deflate, bgcode.Plain, 100, "G28\n")), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	want := []bgcode.KeyValue{
		{Block: bgcode.FileMetadata, Key: "Producer", Value: "Slicer 1.0"},
		{Block: bgcode.PrinterMetadata, Key: "printer_model", Value: "X"},
		{Block: bgcode.PrinterMetadata, Key: "nozzle_diameter", Value: "0.4"},
		{Block: bgcode.PrintMetadata, Key: "filament used [mm]", Value: "12.5"},
		{Block: bgcode.SlicerMetadata, Key: "layer_height", Value: "0.2"},
		{Block: bgcode.SlicerMetadata, Key: "start_gcode", Value: `M104 S200\nG28 ; a=b`},
	}
	if got := r.Metadata(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if b := r.Block(); b.Index != 6 || b.Type != bgcode.GCode || b.Compression != bgcode.Deflate || b.Size != 4 {
		t.Errorf("first block of G-code is %+v", b)
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

// sample returns a real file, where there are some.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("GCODE_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "samples")
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Skipf("no sample files: %v", err)
	}
	return data
}

// lines returns the lines as the slicer packs them: without blanks in G lines, blank lines, and trailing comments.
func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if line[0] != ';' {
			line, _, _ = strings.Cut(line, ";")
			line = strings.TrimSpace(line)
		}
		if line[0] == 'G' {
			line = strings.ReplaceAll(line, " ", "")
		}
		out = append(out, line)
	}
	return out
}

func TestRealFileHoldsTheSamePrintAsItsText(t *testing.T) {
	binary := lines(readText(t, sample(t, "prim-cube.bgcode")))
	_, body, found := strings.Cut(string(sample(t, "prim-cube.gcode")), "\nM73 ")
	plain := lines("M73 " + body)
	if binary = binary[1:]; !found || len(plain) < len(binary) { // before it comes "; "
		t.Fatalf("%d lines of text, %d of binary", len(plain), len(binary))
	}
	for i := range binary {
		if binary[i] != plain[i] {
			t.Fatalf("line %d is %q, in the text %q", i, binary[i], plain[i])
		}
	}
}

func TestRealBlocksAreWrittenAsTheSlicerWroteThem(t *testing.T) {
	file := sample(t, "prim-cube.bgcode")
	r, err := bgcode.NewReader(bytes.NewReader(file), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	offset := int(r.Block().Offset)
	for offset < len(file) { // compressed G-code blocks: header, encoding, data, checksum
		end := offset + 12 + 2 + int(binary.LittleEndian.Uint32(file[offset+8:])) + 4
		in := append(bytes.Clone(file[:10]), file[offset:end]...)
		var out bytes.Buffer
		if err := bgcode.Rewrite(bytes.NewReader(in), &out, identity); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), in) {
			t.Errorf("the block at byte %d is not what it was", offset)
		}
		offset = end
	}
}

func TestRealFileKeepsItsTextAndItsSize(t *testing.T) {
	file := sample(t, "prim-cube.bgcode")
	var out bytes.Buffer
	if err := bgcode.Rewrite(bytes.NewReader(file), &out, identity); err != nil {
		t.Fatal(err)
	}
	if readText(t, out.Bytes()) != readText(t, file) {
		t.Error("the text changed")
	}
	if out.Len() > len(file)*101/100 {
		t.Errorf("rewriting grew the file from %d to %d bytes", len(file), out.Len())
	}
}

func reasonOf(err error) string {
	var e *bgcode.Error
	if errors.As(err, &e) {
		return e.Reason()
	}
	return ""
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

func BenchmarkReader(b *testing.B) {
	text := printText()
	file := bgcodetest.Print(bgcode.Heatshrink12x4, bgcode.MeatPackComments, 65536, text)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r, err := bgcode.NewReader(bytes.NewReader(file), 1<<30)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
