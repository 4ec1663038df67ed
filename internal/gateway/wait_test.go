package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// setPhase changes the job "a" and tells the gateway, as its cache would.
func (f *fixture) setPhase(phase v1alpha1.Phase) {
	f.t.Helper()
	const name = "a"
	job := &v1alpha1.ProcessingJob{}
	err := f.client.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, job)
	if err == nil {
		job.Status.Phase = phase
		err = f.client.Status().Update(context.Background(), job)
	}
	if err != nil {
		f.t.Error(err)
	}
	f.JobSeen(job)
}

// whenWaiting runs act once somebody waits for the job.
func (f *fixture) whenWaiting(job string, act func()) {
	go func() {
		for {
			f.changes.mu.Lock()
			waiting := len(f.changes.waiting[types.NamespacedName{Namespace: namespace, Name: job}])
			f.changes.mu.Unlock()
			if waiting > 0 {
				act()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
}

func statusOf(t *testing.T, a *answer) v1alpha1.Phase {
	t.Helper()
	var view jobView
	if err := json.Unmarshal(a.body, &view); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return view.Status
}

func TestLongPoll(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending), jobIn("done", v1alpha1.PhaseError))
	started := time.Now()

	f.whenWaiting("a", func() {
		f.setPhase(v1alpha1.PhaseRunning) // no news for a client that waits for the end
		f.setPhase(v1alpha1.PhaseCompleted)
	})
	if got := statusOf(t, f.do("GET", "/api/v1/status/a?wait=50s", nil)); got != v1alpha1.PhaseCompleted {
		t.Errorf("waited for the end and got %s", got)
	}
	if got := statusOf(t, f.do("GET", "/api/v1/status/done?wait=50s", nil)); got != v1alpha1.PhaseError {
		t.Errorf("a final job: %s", got)
	}
	if a := f.do("GET", "/api/v1/status/unknown?wait=50s", nil); a.status != 404 {
		t.Errorf("an unknown job: %d", a.status)
	}
	for _, wait := range []string{"soon", "-1s", "5"} {
		if a := f.do("GET", "/api/v1/status/a?wait="+wait, nil); a.status != 400 {
			t.Errorf("wait=%s: %d", wait, a.status)
		}
	}
	if took := time.Since(started); took > 40*time.Second {
		t.Errorf("took %s: something was waited for in vain", took)
	}
	var sum float64
	if err := json.Unmarshal([]byte(f.metric(`http_request_duration_seconds_sum{endpoint="/api/v1/status/{job_id}",method="GET"}`)), &sum); err != nil || sum > 5 {
		t.Errorf("the waiting counts as slowness: %v s, %v", sum, err)
	}
}

func TestLongPollForAChange(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending))
	etag := f.do("GET", "/api/v1/status/a", nil).header.Get("ETag")
	if a := f.do("GET", "/api/v1/status/a?wait=10ms", nil, "If-None-Match", etag); a.status != 304 {
		t.Errorf("nothing new: %d", a.status)
	}
	f.whenWaiting("a", func() { f.setPhase(v1alpha1.PhaseRunning) })
	if got := statusOf(t, f.do("GET", "/api/v1/status/a?wait=50s", nil, "If-None-Match", etag)); got != v1alpha1.PhaseRunning {
		t.Errorf("a change: %s", got)
	}
	f.whenWaiting("a", f.Drain)
	if got := statusOf(t, f.do("GET", "/api/v1/status/a?wait=50s", nil)); got != v1alpha1.PhaseRunning {
		t.Errorf("at a shutdown: %s", got)
	}
}

// listen opens a stream of events and returns a reader of it.
func (f *fixture) listen(job, lastID string) *bufio.Reader {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.server.URL+"/api/v1/status/"+job+"/events", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Last-Event-ID", lastID)
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

// event reads the next event; its kind is "" at the end.
func event(t *testing.T, r *bufio.Reader) (kind, id string, view jobView) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return kind, id, view
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			kind = value
		case "id":
			id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &view); kind == "status" && err != nil {
				t.Error(err)
			}
		case "":
			if kind != "" {
				return kind, id, view
			}
		}
	}
}

func TestEvents(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending), jobIn("b", v1alpha1.PhasePending), jobIn("c", v1alpha1.PhaseRunning))
	stream := f.listen("a", "")
	var last string
	for _, phase := range []v1alpha1.Phase{v1alpha1.PhasePending, v1alpha1.PhaseRunning, v1alpha1.PhaseCompleted} {
		if phase != v1alpha1.PhasePending {
			f.setPhase(phase)
		}
		kind, id, view := event(t, stream)
		if kind != "status" || view.Status != phase || id == last {
			t.Errorf("event %s %s with %s, want %s", kind, id, view.Status, phase)
		}
		if phase == v1alpha1.PhaseRunning {
			last = id
		}
	}
	if kind, _, _ := event(t, stream); kind != "" {
		t.Errorf("after the end: %s", kind)
	}
	if kind, _, view := event(t, f.listen("a", last)); kind != "status" || view.Status != v1alpha1.PhaseCompleted {
		t.Errorf("who comes back gets %s %s", kind, view.Status)
	}

	deleted := f.listen("b", "")
	event(t, deleted)
	if a := f.do("DELETE", "/api/v1/jobs/b", nil); a.status != 204 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	f.JobGone(types.NamespacedName{Namespace: namespace, Name: "b"})
	if kind, _, _ := event(t, deleted); kind != "gone" {
		t.Errorf("a deleted job: %s", kind)
	}
	if a := f.do("DELETE", "/api/v1/jobs/b", nil); a.status != 404 {
		t.Errorf("delete again: %d", a.status)
	}

	unchanged := f.listen("c", strings.Trim(f.do("GET", "/api/v1/status/c", nil).header.Get("ETag"), `"`))
	f.Drain()
	if kind, _, _ := event(t, unchanged); kind != "" {
		t.Errorf("nothing was new, but %s", kind)
	}
	if a := f.do("GET", "/api/v1/status/unknown/events", nil); a.status != 404 {
		t.Errorf("an unknown job: %d", a.status)
	}
}

func TestProcessors(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	a := f.do("GET", "/api/v1/processors", nil)
	want := `{"processors":[{"name":"brick","default":true,"formats":["gcode","bgcode"],"max_size":262144,` +
		`"parameters":[{"name":"multiplier","type":"Number","default":"1.05","minimum":"1","maximum":"1.5"}]}]}`
	if got := strings.TrimSpace(string(a.body)); a.status != 200 || got != want {
		t.Errorf("%d %s\nwant %s", a.status, got, want)
	}
}
