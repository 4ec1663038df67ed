package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queueapi"
)

// heartbeat is how often a line is sent that says nothing, so that nothing in between takes the connection for dead.
const heartbeat = 15 * time.Second

// events streams what becomes of a job as server-sent events, and ends with it.
func (g *Gateway) events(w http.ResponseWriter, r *http.Request) error {
	id := requested(r)
	changed, cancel := g.changes.subscribe(id)
	defer cancel()
	job, err := g.job(r.Context(), id)
	if err != nil {
		return err
	}
	started := time.Now()
	defer func() { discount(w, time.Since(started)) }()
	stream := newEventStream(g, w)
	stream.last = r.Header.Get("Last-Event-ID")
	ticker := time.NewTicker(g.heartbeat)
	defer ticker.Stop()
	for {
		if err := stream.send(r.Context(), job); err != nil || job.Status.Phase.Finished() {
			return err
		}
		select {
		case <-changed.C:
			if job, err = g.job(r.Context(), id); err != nil {
				return stream.gone(asProblem(err))
			}
		case <-ticker.C:
			if stillAllowed(r.Context()) != nil { // who comes back is told why
				return nil
			}
			if err := stream.beat(r.Context(), job); err != nil {
				return err
			}
		case <-g.draining: // the client comes back, to another replica
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

// eventStream writes events. Its id is the job's version, so a client that comes back gets only what it missed.
type eventStream struct {
	gateway    *Gateway
	w          http.ResponseWriter
	controller *http.ResponseController
	last       string
	place      string // in the queue, as the client knows it
}

func newEventStream(g *Gateway, w http.ResponseWriter) *eventStream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	return &eventStream{gateway: g, w: w, controller: http.NewResponseController(w)}
}

// begin sends the header, so that the client knows that it is served.
func (s *eventStream) begin() error { return s.controller.Flush() }

func (s *eventStream) send(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	id := strings.Trim(etagOf(job), `"`)
	if id == s.last {
		return s.begin()
	}
	s.last = id
	view := s.gateway.describe(job)
	view.Queue = s.gateway.queue.waiting(ctx, job)
	s.place = tagWith(id, view.Queue)
	data, err := json.Marshal(view)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("event: status\nid: %s\ndata: %s\n\n", id, data))
}

// beat sends the line that says nothing, or, when the job has moved in the queue, its place there.
func (s *eventStream) beat(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	if moved, err := s.tellPlace(ctx, job); moved || err != nil {
		return err
	}
	return s.write(": still here\n\n")
}

// tellPlace sends the job's place in the queue if it is another one than the client knows.
func (s *eventStream) tellPlace(ctx context.Context, job *v1alpha1.ProcessingJob) (moved bool, err error) {
	waiting := s.gateway.queue.waiting(ctx, job)
	place := tagWith(strings.Trim(etagOf(job), `"`), waiting)
	if waiting == nil || place == s.place {
		return false, nil
	}
	s.place = place
	data, err := json.Marshal(placeView{JobID: job.Name, Queue: waiting})
	if err != nil {
		return false, err
	}
	return true, s.write(fmt.Sprintf("event: queue\ndata: %s\n\n", data))
}

// placeView is a job's place in the queue.
type placeView struct {
	JobID string            `json:"job_id"`
	Queue *queueapi.Waiting `json:"queue"`
}

// gone says that the job does not exist any more.
func (s *eventStream) gone(p *problem) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("event: gone\ndata: %s\n\n", data))
}

func (s *eventStream) write(text string) error {
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.controller.Flush()
}
