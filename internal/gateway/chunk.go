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

// largeFree are the large chunks that nobody uses; nil is one that was never made.
var largeFree = func() chan *[largeChunk]byte {
	free := make(chan *[largeChunk]byte, largeChunks)
	for range largeChunks {
		free <- nil
	}
	return free
}()

// chunkReader reads a body chunk by chunk.
type chunkReader struct {
	body  io.Reader
	small [smallChunk]byte
	large *[largeChunk]byte
}

// next returns the next bytes, which are good until it is called again. Whoever calls it calls release in the end.
func (r *chunkReader) next() ([]byte, error) {
	r.release() // nothing large is held while a client is waited for that has sent less than a small chunk
	n, err := r.body.Read(r.small[:])
	if err != nil || n < len(r.small) || !r.takeLarge() {
		return r.small[:n], err
	}
	copy(r.large[:], r.small[:])
	// One read, which takes what is there by now: to wait until the chunk is full would be at the client's pleasure.
	more, err := r.body.Read(r.large[n:])
	return r.large[:n+more], err
}

func (r *chunkReader) takeLarge() bool {
	select {
	case r.large = <-largeFree:
	default:
		return false
	}
	if r.large == nil {
		r.large = new([largeChunk]byte)
	}
	return true
}

func (r *chunkReader) release() {
	if r.large != nil {
		largeFree <- r.large
		r.large = nil
	}
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
