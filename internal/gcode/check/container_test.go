package check_test

import (
	"archive/zip"
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/test/prints"
)

type entry struct {
	name string
	data []byte
}

func archive(t *testing.T, entries ...entry) *bytes.Reader {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		f, err := w.Create(e.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(out.Bytes())
}

func sum(text []byte) []byte { return fmt.Appendf(nil, "%X", md5.Sum(text)) }

func TestArchiveDefectsFire(t *testing.T) {
	s := generate(t, prints.Options{})
	in, out := []byte(strings.Join(s.lines, "")), []byte(strings.Join(s.bricked(asRight), ""))
	const plate, beside, picture = "Metadata/plate_1.gcode", "Metadata/plate_1.gcode.md5", "Metadata/plate_1.png"
	png := entry{picture, []byte("a picture")}
	before := func() *bytes.Reader { return archive(t, entry{plate, in}, entry{beside, sum(in)}, png) }
	tests := []struct {
		name  string
		fires string
		out   *bytes.Reader
	}{
		{"good", "", archive(t, entry{plate, out}, entry{beside, sum(out)}, png)},
		{"old MD5", "I27", archive(t, entry{plate, out}, entry{beside, sum(in)}, png)},
		{"lost entry", "I27", archive(t, entry{plate, out}, entry{beside, sum(out)})},
		{"changed entry", "I27", archive(t, entry{plate, out}, entry{beside, sum(out)}, entry{picture, []byte("a pictur")})},
		{"new entry", "I27", archive(t, entry{plate, out}, entry{beside, sum(out)}, png, entry{"x", nil})},
		{"no archive", "I27", bytes.NewReader(out)},
		{"bad print", "I2", archive(t, entry{plate, out[:len(out)/2]}, entry{beside, sum(out[:len(out)/2])}, png)},
	}
	for _, tt := range tests {
		r, err := check.Archive(before(), tt.out, exact)
		if err != nil {
			t.Fatal(err)
		}
		if tt.fires == "" && r.Violations() > 0 || tt.fires != "" && r.Get(tt.fires).Violations == 0 {
			t.Errorf("%s: want violations of %q\n%s", tt.name, tt.fires, r)
		}
		if tt.fires == "" && (r.Get("I27").Checked == 0 || r.Get("I5").Checked == 0) {
			t.Errorf("%s: nothing was checked", tt.name)
		}
	}
}

// stored makes a binary file of uncompressed blocks.
func stored(blocks ...entry) []byte {
	out := append([]byte("GCDE"), 1, 0, 0, 0, 1, 0)
	kinds := map[string]uint16{"meta": 0, "gcode": 1, "thumbnail": 5}
	for _, b := range blocks {
		from := len(out)
		out = binary.LittleEndian.AppendUint16(out, kinds[b.name])
		out = binary.LittleEndian.AppendUint16(out, 0)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(b.data)))
		out = append(out, make([]byte, map[string]int{"meta": 2, "gcode": 2, "thumbnail": 6}[b.name])...)
		out = append(out, b.data...)
		out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out[from:]))
	}
	return out
}

// plain decodes a file whose G-code is one uncompressed block behind a block of "meta" and one of "picture".
func plain(r io.Reader) (io.Reader, error) {
	all, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	head := len(stored(entry{"meta", []byte("meta")}, entry{"thumbnail", []byte("picture")})) + 10
	return bytes.NewReader(all[head : len(all)-4]), nil
}

func TestBlockDefectsFire(t *testing.T) {
	s := generate(t, prints.Options{})
	in, out := []byte(strings.Join(s.lines, "")), []byte(strings.Join(s.bricked(asRight), ""))
	meta, picture := entry{"meta", []byte("meta")}, entry{"thumbnail", []byte("picture")}
	good := stored(meta, picture, entry{"gcode", out})
	damaged := bytes.Clone(good)
	damaged[len(damaged)-1] ^= 1
	tests := []struct {
		name, fires string
		out         []byte
	}{
		{"good", "", good},
		{"wrong checksum", "I27", damaged},
		{"changed block", "I27", stored(entry{"meta", []byte("mEta")}, picture, entry{"gcode", out})},
		{"cut short", "I27", good[:len(good)-9]},
		{"no binary file", "I27", out},
		{"bad print", "I2", stored(meta, picture, entry{"gcode", out[:len(out)/2]})},
	}
	for _, tt := range tests {
		before := bytes.NewReader(stored(meta, picture, entry{"gcode", in}))
		r, err := check.Blocks(before, bytes.NewReader(tt.out), plain, exact)
		if err != nil {
			t.Fatal(err)
		}
		if tt.fires == "" && r.Violations() > 0 || tt.fires != "" && r.Get(tt.fires).Violations == 0 {
			t.Errorf("%s: want violations of %q\n%s", tt.name, tt.fires, r)
		}
	}
}
