package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Of an answer a client must take sendPiece per answerWindow: so little that a bad line manages, so much that the kernel
// sends a file in pieces as fast as in one. The window is that long because the kernels keep megabytes for a client, and say
// only when a good part of them is taken that there is room: with curl --limit-rate 20k over loopback that took up to 101
// seconds, and TCP_NOTSENT_LOWAT did not change it.
const (
	sendPiece    = 256 << 10
	answerWindow = 2 * time.Minute
)

// pacedAnswer moves the connection's write deadline forward with each piece of an answer. A client that asks and does
// not read would hold for ever whatever the answer is made with, and the process when it is told to stop.
type pacedAnswer struct {
	http.ResponseWriter
	controller *http.ResponseController
}

func paceAnswer(w http.ResponseWriter) *pacedAnswer {
	return &pacedAnswer{w, http.NewResponseController(w)}
}

// end bounds what net/http still writes once the handler has returned. It takes the deadline off the connection after
// that.
func (a *pacedAnswer) end(r *http.Request) {
	if err := a.next(); err != nil {
		log.FromContext(r.Context()).Error(err, "the connection takes no write deadline")
	}
}

// next gives the next piece its time. A writer without a connection, as a test may have, takes none.
func (a *pacedAnswer) next() error {
	err := a.controller.SetWriteDeadline(time.Now().Add(answerWindow))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

func (a *pacedAnswer) Write(p []byte) (written int, err error) {
	for {
		piece := p[written:min(written+sendPiece, len(p))]
		if err := a.next(); err != nil {
			return written, err
		}
		n, err := a.ResponseWriter.Write(piece)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// FlushError is for http.ResponseController.
func (a *pacedAnswer) FlushError() error {
	if err := a.next(); err != nil {
		return err
	}
	return a.controller.Flush()
}

// ReadFrom has the kernel send a file, of which it sees no more than the piece. Anything else may itself take its time
// to be read, which is not the client's fault: each of its writes has a deadline.
func (a *pacedAnswer) ReadFrom(r io.Reader) (sent int64, err error) {
	source, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(writerOnly{a}, r)
	}
	file, ok := source.R.(*os.File)
	if !ok {
		return io.Copy(writerOnly{a}, r)
	}
	for source.N > 0 {
		if err := a.next(); err != nil {
			return sent, err
		}
		n, err := io.CopyN(a.ResponseWriter, file, min(source.N, sendPiece))
		sent += n
		source.N -= n
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// writerOnly hides ReadFrom from io.Copy.
type writerOnly struct{ io.Writer }

// Unwrap is for http.ResponseController.
func (a *pacedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
