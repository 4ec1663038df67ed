package gateway

import "io"

// Files pass through memory in chunks. A body that comes fast gets a large one, of which there are only so many in the
// process; one that trickles, and one that finds none left, does with a small one of its own. So memory does not depend
// on how many connections are open, and ten thousand that send nothing cost next to nothing.
const (
	smallChunk  = 4 << 10
	largeChunk  = 128 << 10
	largeChunks = 128
)

// spareChunks are large chunks that nobody uses.
var spareChunks = make(chan *[largeChunk]byte, largeChunks)

// largeChunksLeft counts those that may still be taken.
var largeChunksLeft = func() chan struct{} {
	left := make(chan struct{}, largeChunks)
	for range largeChunks {
		left <- struct{}{}
	}
	return left
}()

// chunkReader reads a body chunk by chunk.
type chunkReader struct {
	body  io.Reader
	small [smallChunk]byte
	large *[largeChunk]byte
}

// next returns the next bytes, which are good until it is called again. Whoever calls it calls release in the end.
func (r *chunkReader) next() ([]byte, error) {
	r.release() // nothing is held while a client is waited for
	n, err := r.body.Read(r.small[:])
	if err != nil || n < len(r.small) || !r.takeLarge() {
		return r.small[:n], err
	}
	copy(r.large[:], r.small[:])
	more, err := fill(r.body, r.large[n:])
	return r.large[:n+more], err
}

func (r *chunkReader) takeLarge() bool {
	select {
	case <-largeChunksLeft:
	default:
		return false
	}
	select {
	case r.large = <-spareChunks:
	default:
		r.large = new([largeChunk]byte)
	}
	return true
}

func (r *chunkReader) release() {
	if r.large == nil {
		return
	}
	select {
	case spareChunks <- r.large:
	default: // there are spare ones enough
	}
	r.large = nil
	largeChunksLeft <- struct{}{}
}

// fill reads until the buffer is full. Unlike io.ReadFull it tells the end from a body that was cut.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// eachChunk calls take with the bytes of a body until it ends or either returns an error; the body's is made a problem.
func eachChunk(body io.Reader, take func([]byte) error) error {
	chunks := &chunkReader{body: body}
	defer chunks.release()
	for {
		p, readErr := chunks.next()
		if len(p) > 0 {
			if err := take(p); err != nil {
				return err
			}
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return bodyProblem(readErr)
		}
	}
}
