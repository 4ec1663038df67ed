package bgcode_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/test/samples"
)

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
	binary := lines(readText(t, samples.File(t, "prim-cube.bgcode")))
	_, body, found := strings.Cut(string(samples.File(t, "prim-cube.gcode")), "\nM73 ")
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
	file := samples.File(t, "prim-cube.bgcode")
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
	file := samples.File(t, "prim-cube.bgcode")
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
