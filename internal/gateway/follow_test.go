package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queueapi"
)

// followJobs opens a stream about several jobs.
func (f *fixture) followJobs(body string) *bufio.Reader {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.server.URL+"/api/v1/events", strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		f.t.Fatalf("answer %s, %s", response.Status, response.Header.Get("Content-Type"))
	}
	return bufio.NewReader(response.Body)
}

func TestFollow(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending), jobIn("b", v1alpha1.PhaseRunning),
		jobIn("known", v1alpha1.PhaseRunning), jobIn("done", v1alpha1.PhaseError))
	version := strings.Trim(f.do("GET", "/api/v1/status/known", nil).header.Get("ETag"), `"`)
	stream := f.followJobs(`{"jobs": {"a": "", "b": "", "done": "", "unknown": "", "known": "` + version + `"}}`)
	seen := map[string]string{}
	for range 4 {
		kind, _, view := event(t, stream)
		seen[kind+view.JobID] = string(view.Status)
	}
	want := map[string]string{"statusa": "Pending", "statusb": "Running", "statusdone": "Error", "goneunknown": ""}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Fatalf("at the start: %v, want %v", seen, want)
	}
	f.setPhase(v1alpha1.PhaseRunning)
	f.setPhase(v1alpha1.PhaseCompleted)
	for view := (jobView{}); view.Status != v1alpha1.PhaseCompleted; {
		if _, _, view = event(t, stream); view.JobID != "a" {
			t.Fatalf("an event of job %q", view.JobID)
		}
	}
	for _, name := range []string{"b", "known"} {
		if err := f.client.Delete(t.Context(), jobIn(name, ""), client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
		f.JobGone(types.NamespacedName{Namespace: namespace, Name: name})
		if kind, _, view := event(t, stream); kind != "gone" || view.JobID != name {
			t.Errorf("a deleted job: %s %s", kind, view.JobID)
		}
	}
	if kind, _, _ := event(t, stream); kind != "" {
		t.Errorf("with nothing left to follow: %s", kind)
	}
}

func TestFollowManyUnknownJobs(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhaseCompleted))
	names := []string{`"a": ""`}
	for i := range 110 { // more than may be asked for at once
		names = append(names, fmt.Sprintf(`"unknown-%d": ""`, i))
	}
	stream := f.followJobs(`{"jobs": {` + strings.Join(names, ",") + `}}`)
	kinds := map[string]int{}
	for kind, _, _ := event(t, stream); kind != ""; kind, _, _ = event(t, stream) {
		kinds[kind]++
	}
	if kinds["gone"] != 110 || kinds["status"] != 1 {
		t.Errorf("events %v, want each job's", kinds)
	}
}

func TestFollowRefuses(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	many := make([]string, maxFollowed+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"job-%d": ""`, i)
	}
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "a", "no job": `{"jobs": {}}`, "a list": `{"jobs": ["a"]}`,
		"too many": `{"jobs": {` + strings.Join(many, ",") + `}}`,
		"too long": `{"jobs": {"` + strings.Repeat("a", maxFollowBytes) + `": ""}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if a := f.do("POST", "/api/v1/events", strings.NewReader(body)); a.status != 400 || a.reason() != reasonBadForm {
				t.Errorf("answered %d %s", a.status, a.body)
			}
		})
	}
}

func TestFollowTellsPlacesInTheQueue(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending), jobIn("b", v1alpha1.PhaseRunning))
	var ahead atomic.Int64
	ahead.Store(4)
	f.queue = newQueue(func(context.Context, string, string) (*queueapi.Waiting, error) {
		return &queueapi.Waiting{Reason: "Queued", Position: ptr.To(int(ahead.Load()))}, nil
	})
	f.heartbeat = 10 * time.Millisecond
	stream := f.followJobs(`{"jobs": {"a": "", "b": ""}}`)
	for range 2 {
		if kind, _, view := event(t, stream); kind != "status" || (view.JobID == "a") != (view.Queue != nil && *view.Queue.Position == 4) {
			t.Fatalf("at the start: %s %+v", kind, view)
		}
	}
	ahead.Store(2)
	f.queue.answers.RemoveAll(func(any) bool { return true }) // as if they were old
	if kind, _, view := event(t, stream); kind != "queue" || view.JobID != "a" || *view.Queue.Position != 2 {
		t.Errorf("when it has moved up: %s %+v", kind, view)
	}
}

// The manager is asked about a bounded number of one stream's jobs, at its start as well.
func TestFollowAsksAboutFewPlaces(t *testing.T) {
	var jobs []client.Object
	var names []string
	for i := range maxPlaces + 20 {
		name := fmt.Sprintf("a-%d", i)
		job := jobIn(name, v1alpha1.PhasePending)
		jobs, names = append(jobs, job), append(names, fmt.Sprintf("%q: %q", name, ""))
	}
	f := newFixture(t, interceptor.Funcs{}, jobs...)
	f.queue = newQueue(func(context.Context, string, string) (*queueapi.Waiting, error) {
		return &queueapi.Waiting{Reason: "Queued", Position: ptr.To(1)}, nil
	})
	stream := f.followJobs(`{"jobs": {` + strings.Join(names, ",") + `}}`)
	places := 0
	for range jobs {
		kind, _, view := event(t, stream)
		if kind != "status" {
			t.Fatalf("an event %q", kind)
		}
		if view.Queue != nil {
			places++
		}
	}
	if places != maxPlaces {
		t.Errorf("told the places of %d jobs, want of %d", places, maxPlaces)
	}
}

// A job that cannot be looked up for a while is not gone.
func TestEventsOutliveAFault(t *testing.T) {
	var away atomic.Bool
	failed := make(chan struct{}, 1)
	f := newFixture(t, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if away.Load() {
				select {
				case failed <- struct{}{}:
				default:
				}
				return errors.New("the API server is away")
			}
			return c.Get(ctx, key, o, opts...)
		},
	}, jobIn("a", v1alpha1.PhasePending))
	stream := f.listen("a", "")
	if kind, _, _ := event(t, stream); kind != "status" {
		t.Fatalf("at the start: %q", kind)
	}
	away.Store(true)
	f.changes.notify(types.NamespacedName{Namespace: namespace, Name: "a"})
	<-failed
	away.Store(false)
	f.setPhase(v1alpha1.PhaseCompleted)
	if kind, _, view := event(t, stream); kind != "status" || view.Status != v1alpha1.PhaseCompleted {
		t.Errorf("after the fault: %q with %s", kind, view.Status)
	}
}

// An EventSource comes back whenever a stream ends, and stops only at a 204.
func TestEventsAfterTheLast(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	first := f.do("GET", "/api/v1/status/done/events", nil)
	_, rest, _ := strings.Cut(string(first.body), "id: ")
	id, _, _ := strings.Cut(rest, "\n")
	if a := f.do("GET", "/api/v1/status/done/events", nil, "Last-Event-ID", id); first.status != 200 || a.status != 204 {
		t.Errorf("the last event came with %d %q, and then %d %s", first.status, first.body, a.status, a.body)
	}
	if a := f.do("GET", "/api/v1/status/done/events", nil, "Last-Event-ID", "an-older-one"); a.status != 200 || string(a.body) != string(first.body) {
		t.Errorf("after another event: %d %s", a.status, a.body)
	}
}
