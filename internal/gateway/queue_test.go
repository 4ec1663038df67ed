package gateway

import (
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queueapi"
)

func TestQueueAsksOncePerJob(t *testing.T) {
	asked, fault := 0, error(nil)
	q := newQueue(func(context.Context, string, string) (*queueapi.Waiting, error) {
		asked++
		return &queueapi.Waiting{Reason: "Queued", Position: ptr.To(4), EstimateSeconds: ptr.To(1.2)}, fault
	})
	pending := &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{UID: "1"}}
	for range 3 {
		got := q.waiting(t.Context(), pending)
		if got == nil || *got.Position != 4 || *got.EstimateSeconds != 2 {
			t.Fatalf("got %+v", got)
		}
	}
	if asked != 1 {
		t.Errorf("the manager was asked %d times, want once", asked)
	}
	running := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{UID: "2"}, Status: v1alpha1.ProcessingJobStatus{Phase: v1alpha1.PhaseRunning},
	}
	if q.waiting(t.Context(), running) != nil || asked != 1 {
		t.Error("the manager was asked about a job that runs")
	}
	fault = errors.New("no manager")
	other := &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{UID: "3"}}
	first, second := q.waiting(t.Context(), other), q.waiting(t.Context(), other)
	if first != nil || second != nil || asked != 2 {
		t.Errorf("asked %d times while no manager answers, want once more", asked)
	}
	third := &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{UID: "4"}}
	if got := q.waiting(t.Context(), third); got != nil || asked != 2 {
		t.Errorf("asked %d times, want a manager that is away to be left alone about other jobs, too", asked)
	}
	fault = nil
	q.quiet.Store(0) // as if it was long ago
	if got := q.waiting(t.Context(), third); got == nil || asked != 3 {
		t.Errorf("asked %d times and got %+v once the manager is back", asked, got)
	}
	if newQueue(nil).waiting(t.Context(), other) != nil {
		t.Error("a place without anybody to ask")
	}
}

func TestTagWithPlace(t *testing.T) {
	const etag = `"u-7"`
	third := tagWith(etag, &queueapi.Waiting{Reason: "Queued", Position: ptr.To(3)})
	second := tagWith(etag, &queueapi.Waiting{Reason: "Queued", Position: ptr.To(2)})
	if third == second || third == etag || tagWith(etag, nil) != etag {
		t.Errorf("tags %s, %s and %s", third, second, etag)
	}
	for header, known := range map[string]bool{
		etag: true, third: true, "W/" + second: true, `"u-6", ` + third: true, "*": true,
		`"u-6"`: false, `"u-77.0"`: false, "": false,
	} {
		if knowsVersion(header, etag) != known {
			t.Errorf("knowsVersion(%s, %s) is not %v", header, etag, known)
		}
	}
}
