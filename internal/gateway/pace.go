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

// restWindow is how long the rest of a body may take that nobody wants: net/http reads some of it before it answers.
const restWindow = 5 * time.Second

// expectBody bounds how long a request's body may take, unless its handler has it paced. It is for every request that
// has one, also where none belongs: the answer would wait for it.
func expectBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		setReadDeadline(w, r, time.Now().Add(paceWindow))
	}
}

// haveBody is for a handler that has read the body and takes its time: a read deadline would end the request.
func haveBody(w http.ResponseWriter, r *http.Request) { setReadDeadline(w, r, time.Time{}) }

// endBody is for a handler that answers, whether or not it has read the body to its end.
func endBody(w http.ResponseWriter, r *http.Request) {
	setReadDeadline(w, r, time.Now().Add(restWindow))
}

func setReadDeadline(w http.ResponseWriter, r *http.Request, t time.Time) {
	if err := http.NewResponseController(w).SetReadDeadline(t); err != nil {
		log.FromContext(r.Context()).Error(err, "the connection takes no read deadline")
	}
}

// paced returns the request's body with a rolling deadline. stop takes the deadline off the connection again: it must
// not strike while the answer is being made.
func (g *Gateway) paced(w http.ResponseWriter, r *http.Request) (body io.Reader, stop func()) {
	p := &pacedBody{body: r.Body, controller: http.NewResponseController(w), end: time.Now().Add(g.UploadTimeout)}
	setReadDeadline(w, r, p.next())
	return p, func() {
		if !p.stopped {
			p.stopped = true
			haveBody(w, r)
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
