package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/podapi"
)

const (
	// maxFollowed jobs in one stream, so that what a request costs is bounded.
	maxFollowed = 2000
	// maxFollowBytes of a request for so many, with ids as long as names may be.
	maxFollowBytes = 1 << 20
)

// follow streams what becomes of many jobs over one connection, of which a browser has few. It is events for each of
// them: the body names them with the version that the client knows, {"jobs": {"3f0e…": "" }}.
func (g *Gateway) follow(w http.ResponseWriter, r *http.Request) error {
	known, err := readFollowed(w, r)
	if err != nil {
		return err
	}
	jobs := make(map[types.NamespacedName]string, len(known))
	for id, version := range known {
		jobs[types.NamespacedName{Namespace: callerOf(r.Context()).namespace, Name: id}] = version
	}
	return g.followAll(w, r, jobs)
}

// followAll streams what becomes of jobs of which the client knows a version each, or "".
func (g *Gateway) followAll(w http.ResponseWriter, r *http.Request, jobs map[types.NamespacedName]string) error {
	f := &follower{gateway: g, request: r, stream: newEventStream(g, w), last: jobs,
		places: map[types.NamespacedName]string{}, due: slices.Collect(maps.Keys(jobs))}
	changed, cancel := g.changes.subscribe(f.due...)
	defer cancel()
	started := time.Now()
	defer func() { discount(w, time.Since(started)) }()
	return f.run(changed)
}

// followed are the jobs to follow.
type followed struct {
	Jobs map[string]string `json:"jobs" doc:"the id of the last event that came, or nothing, by job"`
}

func readFollowed(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	var body followed
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFollowBytes)).Decode(&body)
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong), len(body.Jobs) > maxFollowed:
		return nil, fail(http.StatusBadRequest, reasonBadForm, "one stream follows at most %d jobs", maxFollowed)
	case err != nil || len(body.Jobs) == 0:
		return nil, fail(http.StatusBadRequest, reasonBadForm,
			`the body must name the jobs to follow: {"jobs": {"JOB_ID": "the last event's id, or nothing"}}`).because(err)
	}
	haveBody(w, r)
	return body.Jobs, nil
}

// follower is one such stream. A job leaves it with its last event.
type follower struct {
	gateway *Gateway
	request *http.Request
	stream  *eventStream
	last    map[types.NamespacedName]string // the version that the client knows, by job still followed
	places  map[types.NamespacedName]string // in the queue, as the client knows them, of jobs that wait
	due     []types.NamespacedName          // to be looked at
}

func (f *follower) run(changed *news) error {
	ticker := time.NewTicker(f.gateway.heartbeat)
	defer ticker.Stop()
	if err := f.stream.begin(); err != nil {
		return err
	}
	for {
		again, err := f.tell()
		if err != nil || len(f.last) == 0 {
			return err
		}
		select {
		case <-changed.C:
			f.due = append(f.due, changed.take()...)
		case <-again:
		case <-ticker.C:
			if stillAllowed(f.request.Context()) != nil { // who comes back is told why
				return nil
			}
			if err := f.beat(); err != nil {
				return err
			}
		case <-f.gateway.draining: // the client comes back, to another replica
			return nil
		case <-f.request.Context().Done():
			return nil
		}
	}
}

// tell sends what is due. What the limit on unknown names has held up stays due, and again says when to go on.
func (f *follower) tell() (again <-chan time.Time, err error) {
	due := f.due
	f.due = nil
	for _, name := range due {
		version, followed := f.last[name]
		if !followed {
			continue
		}
		job, err := f.gateway.job(f.request.Context(), name)
		switch reasonOf(err) {
		case "":
			if err := f.send(name, job, version); err != nil {
				return nil, err
			}
		case reasonJobNotFound:
			if err := f.gone(name, asProblem(err)); err != nil {
				return nil, err
			}
			delete(f.last, name)
			delete(f.places, name)
		default:
			f.due = append(f.due, name)
		}
	}
	if len(f.due) > 0 {
		again = time.After(time.Second)
	}
	return again, nil
}

// maxPlaces is of how many waiting jobs the places are told: the manager is asked about each of them.
const maxPlaces = 100

// send sends a job of which the client knows a version, and remembers which it knows then.
func (f *follower) send(name types.NamespacedName, job *v1alpha1.ProcessingJob, version string) error {
	_, told := f.places[name]
	withPlace := told || len(f.places) < maxPlaces
	f.stream.last = version
	if err := f.stream.send(f.request.Context(), job, withPlace); err != nil {
		return err
	}
	f.last[name] = f.stream.last
	switch {
	case job.Status.Phase != v1alpha1.PhasePending:
		delete(f.places, name)
	case withPlace:
		f.places[name] = f.stream.place
	}
	if job.Status.Phase.Finished() {
		delete(f.last, name)
	}
	return nil
}

// beat sends the line that says nothing, and the places of the jobs that have moved in the queue.
func (f *follower) beat() error {
	if err := f.stream.write(": still here\n\n"); err != nil {
		return err
	}
	for name, place := range f.places {
		job, err := f.gateway.job(f.request.Context(), name)
		if err != nil {
			continue // a change that is told by tell
		}
		f.stream.place = place
		if err := f.stream.tellPlace(f.request.Context(), job); err != nil {
			return err
		}
		f.places[name] = f.stream.place
	}
	return nil
}

// gone says that a job does not exist any more.
func (f *follower) gone(name types.NamespacedName, p *problem) error {
	data, err := json.Marshal(struct {
		JobID string `json:"job_id"`
		podapi.Problem
	}{name.Name, p.Problem})
	if err != nil {
		return err
	}
	return f.stream.write(fmt.Sprintf("event: gone\ndata: %s\n\n", data))
}
