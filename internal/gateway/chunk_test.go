package gateway

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// arrivals is a body of which each read brings no more than one packet, and that shows who reads.
type arrivals struct {
	packets [][]byte
	end     error
	look    func(room int)
}

func (a *arrivals) Read(p []byte) (int, error) {
	if a.look != nil {
		a.look(len(p))
	}
	if len(a.packets) == 0 {
		return 0, a.end
	}
	n := copy(p, a.packets[0])
	if a.packets[0] = a.packets[0][n:]; len(a.packets[0]) == 0 {
		a.packets = a.packets[1:]
	}
	return n, nil
}

// A client that has sent some bytes and then stalls holds nothing that others need.
func TestChunksOfAStallingBody(t *testing.T) {
	packet := bytes.Repeat([]byte("x"), smallChunk+10)
	body := &arrivals{packets: [][]byte{packet, packet[:10]}, end: io.EOF}
	reader := &chunkReader{body: body}
	defer reader.release()
	body.look = func(room int) {
		if room == smallChunk && reader.large != nil {
			t.Error("a large chunk is held while the client is waited for")
		}
	}
	if p, err := reader.next(); len(p) != len(packet) || err != nil {
		t.Errorf("%d bytes and %v of a first packet of %d: does it wait for more?", len(p), err, len(packet))
	}
	if p, err := reader.next(); len(p) != 10 || err != nil || reader.large != nil {
		t.Errorf("%d bytes, %v; large: %t", len(p), err, reader.large != nil)
	}
}

func TestChunksAreSmallWhenNoLargeOnesAreLeft(t *testing.T) {
	fast := func() *chunkReader { return &chunkReader{body: strings.NewReader(strings.Repeat("x", 2*largeChunk))} }
	reader := fast()
	defer reader.release()
	if p, err := reader.next(); len(p) != largeChunk || err != nil {
		t.Errorf("a fast body came in %d bytes: %v", len(p), err)
	}
	reader.release()
	var taken []*[largeChunk]byte
	for range largeChunks {
		taken = append(taken, <-largeFree)
	}
	poor := fast()
	if p, err := poor.next(); len(p) != smallChunk || err != nil || poor.large != nil {
		t.Errorf("with none left: %d bytes, %v", len(p), err)
	}
	poor.release() // gives back nothing that it did not have
	for _, chunk := range taken {
		largeFree <- chunk
	}
	if p, err := poor.next(); len(p) != largeChunk || err != nil {
		t.Errorf("once there are some again: %d bytes, %v", len(p), err)
	}
	poor.release()
}

func TestChunksAreTheBody(t *testing.T) {
	content := print(20_000)
	cut := errors.New("cut")
	for name, body := range map[string]io.Reader{
		"at once":         strings.NewReader(content),
		"byte by byte":    iotest.OneByteReader(strings.NewReader(content)),
		"end with bytes":  iotest.DataErrReader(strings.NewReader(content)),
		"half of each":    iotest.HalfReader(strings.NewReader(content)),
		"then it breaks":  io.MultiReader(strings.NewReader(content), iotest.ErrReader(cut)),
		"breaks at a rim": &arrivals{packets: [][]byte{[]byte(content[:smallChunk]), []byte(content[smallChunk:])}, end: cut},
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			err := eachChunk(body, func(p []byte) error {
				got.Write(p)
				return nil
			})
			if got.String() != content {
				t.Errorf("%d bytes that are not the body's %d", got.Len(), len(content))
			}
			if broken := strings.Contains(name, "breaks"); broken != errors.Is(err, cut) || !broken && err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}
