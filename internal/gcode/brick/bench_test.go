package brick

import (
	"bytes"
	"io"
	"testing"

	"bricklayers.dev/bricklayers/test/prints"
)

func BenchmarkTransform(b *testing.B) {
	for _, dialect := range []string{"prusa", "cura"} {
		b.Run(dialect, func(b *testing.B) {
			o, err := prints.Sized(prints.Options{Dialect: dialect, Scene: "bushing"}, 10<<20)
			if err != nil {
				b.Fatal(err)
			}
			var in bytes.Buffer
			if err := prints.Write(&in, o, nil); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(in.Len()))
			for b.Loop() {
				if _, err := Transform(bytes.NewReader(in.Bytes()), io.Discard, DefaultOptions()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
