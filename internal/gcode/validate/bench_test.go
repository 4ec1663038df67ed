package validate_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/bgcode/bgcodetest"
	"bricklayers.dev/bricklayers/internal/gcode/validate"
	"bricklayers.dev/bricklayers/test/prints"
)

func generated(b *testing.B, size int64) []byte {
	o, err := prints.Sized(prints.Options{Scene: "bushing"}, size)
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if err := prints.Write(&file, o, nil); err != nil {
		b.Fatal(err)
	}
	return file.Bytes()
}

func benchmark(b *testing.B, file []byte) {
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		v := validate.New(validate.Options{})
		for rest := range slices.Chunk(file, 64<<10) {
			if _, err := v.Write(rest); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := v.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSmallText(b *testing.B) { benchmark(b, generated(b, 3<<20)) }

func BenchmarkLargeText(b *testing.B) { benchmark(b, generated(b, 100<<20)) }

func BenchmarkBinary(b *testing.B) {
	benchmark(b, bgcodetest.Print(bgcode.Heatshrink12x4, bgcode.MeatPackComments, 65536, string(generated(b, 10<<20))))
}

func BenchmarkFloorSHA256(b *testing.B) {
	file := generated(b, 3<<20)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		sha256.Sum256(file)
	}
}
