package bgcode_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"runtime"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/bgcodetest"
)

// readAll returns what reading a file to its end says.
func readAll(file []byte, maxText int64) error {
	r, err := bgcode.NewReader(bytes.NewReader(file), maxText)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

func text(compression bgcode.Compression, encoding bgcode.Encoding) bgcodetest.Block {
	return bgcodetest.Text(compression, encoding, 1<<20, "G28\nG1 X1 Y2 E.3\n")[0]
}

func TestUnsoundFiles(t *testing.T) {
	good := text(bgcode.Deflate, bgcode.MeatPack)
	edit := func(b bgcodetest.Block, f func(*bgcodetest.Block)) []byte {
		b.Data = bytes.Clone(b.Data)
		f(&b)
		return bgcodetest.File(b)
	}
	heat := text(bgcode.Heatshrink12x4, bgcode.Plain)
	tests := map[string]struct {
		file   []byte
		reason string
	}{
		"empty":              {nil, bgcode.ReasonTruncated},
		"no magic":           {[]byte("GCDF\x01\x00\x00\x00\x01\x00"), bgcode.ReasonBlock},
		"version 2":          {append(bgcodetest.Header(2, 1), good.Bytes()...), bgcode.ReasonVersion},
		"checksum type 2":    {append(bgcodetest.Header(1, 2), good.Bytes()...), bgcode.ReasonVersion},
		"no blocks":          {bgcodetest.File(), bgcode.ReasonNoGCode},
		"no G-code":          {bgcodetest.File(bgcodetest.Preamble()...), bgcode.ReasonNoGCode},
		"block type 6":       {edit(good, func(b *bgcodetest.Block) { b.Type = 6 }), bgcode.ReasonBlock},
		"thumbnail at end":   {bgcodetest.File(good, bgcodetest.Thumbnail(0, nil)), bgcode.ReasonBlock},
		"metadata at end":    {bgcodetest.File(good, bgcodetest.Preamble()[0]), bgcode.ReasonBlock},
		"junk at end":        {append(bgcodetest.File(good), strings.Repeat("junk", 9)...), bgcode.ReasonBlock},
		"a byte at end":      {append(bgcodetest.File(good), 1), bgcode.ReasonTruncated},
		"compression 4":      {edit(good, func(b *bgcodetest.Block) { b.Compression = 4 }), bgcode.ReasonCodec},
		"encoding 3":         {edit(good, func(b *bgcodetest.Block) { b.Params = []byte{3, 0} }), bgcode.ReasonCodec},
		"metadata encoding":  {edit(good, func(b *bgcodetest.Block) { b.Type = bgcode.PrintMetadata }), bgcode.ReasonCodec},
		"not zlib":           {edit(good, func(b *bgcodetest.Block) { b.Data = []byte("not zlib") }), bgcode.ReasonCodec},
		"no data":            {edit(good, func(b *bgcodetest.Block) { b.Data = nil }), bgcode.ReasonCodec},
		"bad deflate":        {edit(good, func(b *bgcodetest.Block) { b.Data[3] ^= 0xFF }), bgcode.ReasonCodec},
		"bad adler":          {edit(good, func(b *bgcodetest.Block) { b.Data[len(b.Data)-1] ^= 1 }), bgcode.ReasonCodec},
		"behind the deflate": {edit(good, func(b *bgcodetest.Block) { b.Data = append(b.Data, 0) }), bgcode.ReasonCodec},
		"far behind the deflate": {
			edit(good, func(b *bgcodetest.Block) { b.Data = append(b.Data, make([]byte, 10_000)...) }), bgcode.ReasonCodec,
		},
		"behind the heatshrink": {
			edit(heat, func(b *bgcodetest.Block) { b.Data = append(b.Data, 0xFF, 0xFF) }), bgcode.ReasonCodec,
		},
		"heatshrink cut":       {edit(heat, func(b *bgcodetest.Block) { b.Data = b.Data[:9] }), bgcode.ReasonCodec},
		"size one too small":   {edit(good, func(b *bgcodetest.Block) { b.Size-- }), bgcode.ReasonCodec},
		"size one too big":     {edit(good, func(b *bgcodetest.Block) { b.Size++ }), bgcode.ReasonCodec},
		"heatshrink too small": {edit(heat, func(b *bgcodetest.Block) { b.Size-- }), bgcode.ReasonCodec},
		"heatshrink too big":   {edit(heat, func(b *bgcodetest.Block) { b.Size++ }), bgcode.ReasonCodec},
		"cut MeatPack": {
			bgcodetest.File(bgcodetest.Compressed(bgcode.GCode, bgcode.Deflate, []byte{1, 0}, []byte("\xff\xff\xfb\xf1"))),
			bgcode.ReasonCodec,
		},
		"bad MeatPack": {
			bgcodetest.File(bgcodetest.Compressed(bgcode.GCode, bgcode.Deflate, []byte{1, 0}, []byte("\xff\xff\x00"))),
			bgcode.ReasonCodec,
		},
		"metadata size": {
			edit(bgcodetest.Preamble()[4], func(b *bgcodetest.Block) { b.Size-- }), bgcode.ReasonCodec,
		},
		"metadata short": {
			edit(bgcodetest.Preamble()[4], func(b *bgcodetest.Block) { b.Size++ }), bgcode.ReasonCodec,
		},
		"size beyond all limits": {edit(good, func(b *bgcodetest.Block) { b.Size = 1<<32 - 1 }), bgcode.ReasonInflateLimit},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := readAll(tt.file, 1<<30); reasonOf(err) != tt.reason {
				t.Errorf("reading: %v; want %s", err, tt.reason)
			}
			err := bgcode.Rewrite(bytes.NewReader(tt.file), io.Discard, identity)
			if tt.reason == bgcode.ReasonInflateLimit {
				tt.reason = bgcode.ReasonCodec // within the limit of Rewrite, but not true
			}
			if reasonOf(err) != tt.reason {
				t.Errorf("rewriting: %v; want %s", err, tt.reason)
			}
		})
	}
}

func TestEveryTruncationIsNoticed(t *testing.T) {
	blocks := append(bgcodetest.Preamble(),
		text(bgcode.Deflate, bgcode.MeatPack), text(bgcode.Heatshrink12x4, bgcode.Plain))
	file := bgcodetest.File(blocks...)
	ends := map[int]bool{}
	at := len(bgcodetest.Header(1, 1))
	ends[at] = true
	for _, b := range blocks {
		at += len(b.Bytes())
		ends[at] = true
	}
	lastBlock := at - len(blocks[len(blocks)-1].Bytes())
	for n := range len(file) {
		want := bgcode.ReasonTruncated
		if ends[n] {
			want = bgcode.ReasonNoGCode
		}
		if n == lastBlock {
			want = "" // a sound, shorter file
		}
		if err := readAll(file[:n], 1<<30); reasonOf(err) != want {
			t.Fatalf("cut at byte %d of %d: %v; want %q", n, len(file), err, want)
		}
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	last := text(bgcode.Heatshrink11x4, bgcode.MeatPack)
	file := bgcodetest.File(append(bgcodetest.Preamble(), last)...)
	data := len(file) - 4 - len(last.Data)
	for bit := range len(file) * 8 {
		bad := bytes.Clone(file)
		bad[bit/8] ^= 1 << (bit % 8)
		if version := binary.LittleEndian.Uint32(bad[4:]); version == 0 {
			continue // as good as 1
		}
		reason := reasonOf(readAll(bad, 1<<30))
		if reason == "" || bit/8 >= data && reason != bgcode.ReasonChecksum {
			t.Fatalf("bit %d of byte %d: %q", bit%8, bit/8, reason)
		}
	}
}

// A file of a few kilobytes that would fill a disk, if one let it.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 16<<20)
	for name, tt := range map[string]struct {
		file   []byte
		reason string
	}{
		"text": {bgcodetest.File(
			bgcodetest.Compressed(bgcode.GCode, bgcode.Deflate, []byte{0, 0}, zeros)), bgcode.ReasonInflateLimit},
		"text in small blocks": {bgcodetest.File(
			bgcodetest.Text(bgcode.Deflate, bgcode.Plain, 1<<20, string(zeros[:9<<20]))...), bgcode.ReasonInflateLimit},
		"text that MeatPack doubles": {bgcodetest.File(
			bgcodetest.Compressed(bgcode.GCode, bgcode.Deflate, []byte{1, 0},
				append([]byte("\xff\xff\xfb"), zeros[:5<<20]...))), bgcode.ReasonInflateLimit},
		"metadata": {bgcodetest.File(
			bgcodetest.Metadata(bgcode.SlicerMetadata, bgcode.Deflate, string(zeros[:7<<20]))), bgcode.ReasonInflateLimit},
		"metadata in small blocks": {bgcodetest.File(
			bgcodetest.Metadata(bgcode.SlicerMetadata, bgcode.Deflate, string(zeros[:3<<20])),
			bgcodetest.Metadata(bgcode.SlicerMetadata, bgcode.Deflate, string(zeros[:3<<20]))), bgcode.ReasonInflateLimit},
		"text behind its stated size": {func() []byte {
			b := bgcodetest.Compressed(bgcode.GCode, bgcode.Deflate, []byte{0, 0}, zeros)
			b.Size = 100
			return bgcodetest.File(b)
		}(), bgcode.ReasonCodec},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := readAll(tt.file, 8<<20)
			runtime.ReadMemStats(&after)
			if reasonOf(err) != tt.reason {
				t.Errorf("got %v, want %s", err, tt.reason)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 10<<20 {
				t.Errorf("took %d bytes of memory", used)
			}
		})
	}
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	use := func(text string) uint64 {
		file := bgcodetest.Print(bgcode.Heatshrink12x4, bgcode.MeatPack, 65536, text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := bgcode.Rewrite(bytes.NewReader(file), io.Discard, identity); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	line := "G1X1Y2E.3\n"
	small, big := use(strings.Repeat(line, 20_000)), use(strings.Repeat(line, 400_000))
	if big > small+small/10 || big > 2<<20 {
		t.Errorf("200 KB take %d bytes of memory, 4 MB take %d", small, big)
	}
}

func FuzzReader(f *testing.F) {
	for _, compression := range compressions {
		for _, encoding := range encodings {
			f.Add(bgcodetest.File(append(bgcodetest.Preamble()[3:5], text(compression, encoding))...))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		const maxText = 1 << 20
		read := func(src io.Reader) (string, error) {
			r, err := bgcode.NewReader(src, maxText)
			if err != nil {
				return "", err
			}
			text, err := io.ReadAll(r)
			return string(text), err
		}
		text, err := read(bytes.NewReader(file))
		if err != nil && reasonOf(err) == "" {
			t.Fatalf("an error without a reason: %v", err)
		}
		if len(text) > 2*maxText {
			t.Fatalf("%d bytes of text, over the limit", len(text))
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := bgcode.Rewrite(bytes.NewReader(file), &out, identity); err != nil {
			if !strings.Contains(err.Error(), "0xFF") {
				t.Fatalf("cannot rewrite what can be read: %v", err)
			}
			return
		}
		if again, err := read(&out); err != nil || again != text {
			t.Fatalf("rewriting changed %q into %q, %v", text, again, err)
		}
	})
}
