package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queueapi"
)

// heartbeat is how often a line is sent that says nothing, so that nothing in between takes the connection for dead.
const heartbeat = 15 * time.Second

// events streams what becomes of a job as server-sent events, and ends with it. It follows one job, which must be there.
func (g *Gateway) events(w http.ResponseWriter, r *http.Request) error {
	id := requested(r)
	job, err := g.job(r.Context(), id)
	if err != nil {
		return err
	}
	last := r.Header.Get("Last-Event-ID")
	if job.Status.Phase.Finished() && last == eventID(job) { // an EventSource would come back for ever to a stream that ends
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return g.followAll(w, r, map[types.NamespacedName]string{id: last})
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

func eventID(job *v1alpha1.ProcessingJob) string { return strings.Trim(etagOf(job), `"`) }

// begin sends the header, so that the client knows that it is served.
func (s *eventStream) begin() error { return s.controller.Flush() }

// send sends a job unless the client knows its version. Its place in the queue is told with it where withPlace says so.
func (s *eventStream) send(ctx context.Context, job *v1alpha1.ProcessingJob, withPlace bool) error {
	id := eventID(job)
	s.place = "" // of the job before
	if id == s.last {
		return s.begin()
	}
	s.last = id
	view := s.gateway.describe(job)
	if withPlace {
		view.Queue = s.gateway.queue.waiting(ctx, job)
	}
	s.place = tagWith(id, view.Queue)
	data, err := json.Marshal(view)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("event: status\nid: %s\ndata: %s\n\n", id, data))
}

// tellPlace sends the job's place in the queue if it is another one than the client knows.
func (s *eventStream) tellPlace(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	waiting := s.gateway.queue.waiting(ctx, job)
	place := tagWith(strings.Trim(etagOf(job), `"`), waiting)
	if waiting == nil || place == s.place {
		return nil
	}
	s.place = place
	data, err := json.Marshal(placeView{JobID: job.Name, Queue: waiting})
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("event: queue\ndata: %s\n\n", data))
}

// placeView is a job's place in the queue.
type placeView struct {
	JobID string            `json:"job_id"`
	Queue *queueapi.Waiting `json:"queue"`
}

func (s *eventStream) write(text string) error {
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.controller.Flush()
}
