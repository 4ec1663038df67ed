package gateway

import (
	"io"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// A body must come at no less than paceBytes per paceWindow, so that a client that trickles does not hold a connection
// and a file for ever, while a slow one may take its time.
const (
	paceWindow = 30 * time.Second
	paceBytes  = 32 << 10
)

// pacedBody moves the connection's read deadline forward as long as bytes come fast enough.
type pacedBody struct {
	body       io.Reader
	controller *http.ResponseController
	end        time.Time // the deadline is never later
	since      int       // bytes since it was last moved
	stopped    bool
}

// paced returns the request's body with a rolling deadline. stop takes the deadline off the connection again: it must
// not strike while the answer is being made.
func (g *Gateway) paced(w http.ResponseWriter, r *http.Request) (body io.Reader, stop func()) {
	p := &pacedBody{body: r.Body, controller: http.NewResponseController(w), end: time.Now().Add(g.UploadTimeout)}
	set := func(t time.Time) {
		if err := p.controller.SetReadDeadline(t); err != nil {
			log.FromContext(r.Context()).Error(err, "the connection takes no read deadline")
		}
	}
	set(p.next())
	return p, func() {
		if !p.stopped {
			p.stopped = true
			set(time.Time{})
		}
	}
}

func (p *pacedBody) next() time.Time {
	next := time.Now().Add(paceWindow)
	if next.After(p.end) {
		return p.end
	}
	return next
}

func (p *pacedBody) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	if p.since += n; p.since >= paceBytes {
		p.since = 0
		if deadlineErr := p.controller.SetReadDeadline(p.next()); err == nil {
			err = deadlineErr
		}
	}
	return n, err
}
