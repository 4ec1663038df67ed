package bgcode_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/bgcodetest"
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

func reasonOf(err error) string {
	var e *bgcode.Error
	if errors.As(err, &e) {
		return e.Reason()
	}
	return ""
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
