package queue

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func waitingJob(namespace, name string, age int, priority int32) *v1alpha1.ProcessingJob {
	return &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(namespace + "/" + name),
			CreationTimestamp: metav1.NewTime(epoch.Add(-time.Duration(age) * time.Second)),
		},
		Spec:   v1alpha1.ProcessingJobSpec{Processor: "brick", Priority: ptr.To(priority)},
		Status: v1alpha1.ProcessingJobStatus{Phase: v1alpha1.PhasePending},
	}
}

func brickIn(namespace string, maxActive *int32) *v1alpha1.Processor {
	return &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "brick"},
		Spec:       v1alpha1.ProcessorSpec{Limits: v1alpha1.ProcessorLimits{MaxActive: maxActive}},
	}
}

// admitAll takes jobs out of the queue until none may start.
func admitAll(q *Queue) []string {
	var names []string
	for a, ok := q.Next(); ok; a, ok = q.Next() {
		names = append(names, a.Key.String())
	}
	return names
}

func expectOrder(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("admitted %v, want %v", got, want)
	}
}

func TestQueueOrder(t *testing.T) {
	q := New(Limits{}, clock.RealClock{})
	q.ObserveProcessor(brickIn("a", nil))
	q.ObserveProcessor(brickIn("b", nil))
	for _, job := range []*v1alpha1.ProcessingJob{
		waitingJob("a", "young", 1, 0), waitingJob("a", "old", 9, 0), waitingJob("a", "urgent", 0, 5),
		waitingJob("b", "only", 5, 0), waitingJob("a", "later", 0, -5),
	} {
		q.Observe(job)
	}
	// The urgent one first; then b, because a has just been served; then a's by age; the negative priority last.
	expectOrder(t, admitAll(q), "a/urgent", "b/only", "a/old", "a/young", "a/later")
}

func TestQueueLimits(t *testing.T) {
	q := New(Limits{MaxActive: 3, MaxActivePerNamespace: 2}, clock.RealClock{})
	q.ObserveProcessor(brickIn("a", ptr.To[int32](1)))
	q.ObserveProcessor(brickIn("b", nil))
	for age := range 4 {
		q.Observe(waitingJob("a", fmt.Sprintf("j%d", age), age, 0))
		q.Observe(waitingJob("b", fmt.Sprintf("j%d", age), age, 0))
	}
	expectOrder(t, admitAll(q), "a/j3", "b/j3", "b/j2")
	for _, c := range []struct {
		job  *v1alpha1.ProcessingJob
		want string
	}{
		{waitingJob("a", "j0", 0, 0), v1alpha1.ReasonProcessorLimit},
		{waitingJob("b", "j0", 0, 0), v1alpha1.ReasonNamespaceLimit},
		{waitingJob("c", "j0", 0, 0), v1alpha1.ReasonProcessorNotFound},
	} {
		if got := q.Explain(c.job).Reason; got != c.want {
			t.Errorf("%s/%s waits for %s, want %s", c.job.Namespace, c.job.Name, got, c.want)
		}
	}
	q.Forget("a/j3")
	expectOrder(t, admitAll(q), "a/j2")
}

func TestQueueWaitsForProcessor(t *testing.T) {
	q := New(Limits{}, clock.RealClock{})
	q.Observe(waitingJob("a", "j", 0, 0))
	expectOrder(t, admitAll(q))
	q.ObserveProcessor(brickIn("a", nil))
	expectOrder(t, admitAll(q), "a/j")
}

func TestQueueSuspendAndResume(t *testing.T) {
	q := New(Limits{}, clock.RealClock{})
	q.ObserveProcessor(brickIn("a", nil))
	job := waitingJob("a", "j", 0, 0)
	job.Spec.Suspend = ptr.To(true)
	q.Observe(job)
	expectOrder(t, admitAll(q))
	job.Spec.Suspend = nil
	q.Observe(job)
	expectOrder(t, admitAll(q), "a/j")

	job.Status.Phase = v1alpha1.PhaseRunning
	q.Observe(job)
	job.Spec.Suspend, job.Status.Phase = ptr.To(true), v1alpha1.PhasePending
	q.Observe(job)
	if active, waiting, unaccounted := q.Depth(); active != 0 || waiting != 0 || unaccounted != 0 {
		t.Errorf("a suspended job counts: %d active, %d waiting, %d unaccounted", active, waiting, unaccounted)
	}
	job.Spec.Suspend = nil
	q.Observe(job)
	expectOrder(t, admitAll(q), "a/j")
}

func TestQueueRebuildsAfterRestart(t *testing.T) {
	q := New(Limits{MaxActive: 1}, clock.RealClock{})
	q.ObserveProcessor(brickIn("a", nil))
	// Its Job exists, but the manager was stopped before the status said so. The Job's watch came first.
	q.ObserveChild("a/begun", true)
	q.Observe(waitingJob("a", "older", 9, 0))
	q.Observe(waitingJob("a", "begun", 1, 0))
	expectOrder(t, admitAll(q))
	if !q.Admitted("a/begun") {
		t.Error("a job whose Job exists is not admitted")
	}
	q.ObserveChild("a/begun", false)
	q.Forget("a/begun")
	expectOrder(t, admitAll(q), "a/older")
}

// TestQueueStaleEventDoesNotUndoAdmission: the cache still shows Pending while the admission is being written.
func TestQueueStaleEventDoesNotUndoAdmission(t *testing.T) {
	q := New(Limits{}, clock.RealClock{})
	q.ObserveProcessor(brickIn("a", nil))
	job := waitingJob("a", "j", 0, 0)
	q.Observe(job)
	expectOrder(t, admitAll(q), "a/j")
	q.Observe(job)
	expectOrder(t, admitAll(q))
}

func TestPositionIsTheOrderOfAdmission(t *testing.T) {
	q := New(Limits{}, clock.RealClock{})
	jobs := map[string]*v1alpha1.ProcessingJob{}
	for _, ns := range []string{"a", "b"} {
		q.ObserveProcessor(brickIn(ns, nil))
		for age := range 3 {
			job := waitingJob(ns, fmt.Sprintf("j%d", age), age*2, int32(age%2))
			jobs[job.Namespace+"/"+job.Name] = job
			q.Observe(job)
		}
	}
	positions := map[string]int{}
	for name, job := range jobs {
		positions[name] = q.Explain(job).Position
	}
	for i, name := range admitAll(q) {
		// Which of two namespaces comes first that were never served depends on their jobs' age alone.
		if got := positions[name]; got > i || got < i-1 {
			t.Errorf("%s was said to be at %d and started as %d", name, got, i)
		}
	}
}

func TestEstimateAndItsError(t *testing.T) {
	now := testingclock.NewFakePassiveClock(epoch)
	q := New(Limits{MaxActive: 2}, now)
	q.ObserveProcessor(brickIn("a", nil))
	done := waitingJob("a", "done", 0, 0)
	done.Status = v1alpha1.ProcessingJobStatus{
		Phase: v1alpha1.PhaseCompleted, StartTime: ptr.To(metav1.NewTime(epoch)),
		CompletionTime: ptr.To(metav1.NewTime(epoch.Add(10 * time.Second))),
	}
	q.Observe(done)
	for i := range 4 {
		q.Observe(waitingJob("a", fmt.Sprint(i), 9-i, 0))
	}
	expectOrder(t, admitAll(q), "a/0", "a/1")
	last := waitingJob("a", "3", 6, 0)
	if w := q.Explain(last); w.Position != 1 || w.Estimate != 10*time.Second || w.Reason != v1alpha1.ReasonInstallationLimit {
		t.Errorf("explained as %+v", w)
	}
	if counts := q.Waiting(); counts[v1alpha1.ReasonInstallationLimit] != 2 {
		t.Errorf("waiting by reason: %v", counts)
	}
	now.SetTime(epoch.Add(7 * time.Second))
	q.Forget("a/0")
	// It came as the third with two places: (2+1)·10 s/2 = 15 s were estimated, and it took 7.
	if a, ok := q.Next(); !ok || a.Waited != 7*time.Second || a.EstimateError != 8*time.Second {
		t.Errorf("admitted %+v", a)
	}
}

func TestKueueJobsDoNotCount(t *testing.T) {
	q := New(Limits{MaxActive: 1}, clock.RealClock{})
	q.ObserveProcessor(brickIn("a", nil))
	theirs := waitingJob("a", "theirs", 9, 0)
	theirs.Labels = map[string]string{KueueLabel: "lots"}
	theirs.Status.Phase = v1alpha1.PhaseRunning
	q.Observe(theirs)
	q.Observe(waitingJob("a", "ours", 0, 0))
	expectOrder(t, admitAll(q), "a/ours")
	if w := q.Explain(theirs); w.Reason != v1alpha1.ReasonKueue {
		t.Errorf("explained as %+v", w)
	}
}

// TestQueueAgainstModel drives random events and compares with a model that counts from scratch.
func TestQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{MaxActive: rapid.IntRange(0, 4).Draw(t, "max"), MaxActivePerNamespace: rapid.IntRange(0, 3).Draw(t, "nsMax")}
		q := New(limits, clock.RealClock{})
		namespaces := []string{"a", "b", "c"}
		for _, ns := range namespaces {
			q.ObserveProcessor(brickIn(ns, ptr.To(rapid.Int32Range(1, 4).Draw(t, "procMax"))))
		}
		jobs := map[types.UID]*v1alpha1.ProcessingJob{}
		active := map[types.UID]bool{}
		created := 0
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				created++
				job := waitingJob(rapid.SampledFrom(namespaces).Draw(t, "ns"), fmt.Sprint(created),
					rapid.IntRange(0, 5).Draw(t, "age"), rapid.Int32Range(0, 2).Draw(t, "priority"))
				jobs[job.UID] = job
				q.Observe(job)
			},
			"change priority": func(t *rapid.T) {
				if job := drawJob(t, jobs); job != nil {
					job.Spec.Priority = ptr.To(rapid.Int32Range(0, 2).Draw(t, "priority"))
					q.Observe(job)
				}
			},
			"admit": func(t *rapid.T) {
				admission, ok := q.Next()
				if !ok {
					return
				}
				key := admission.Key
				uid := types.UID(key.String())
				if active[uid] {
					t.Fatalf("%s admitted twice", key)
				}
				for _, other := range jobs {
					if !active[other.UID] && !other.Status.Phase.Finished() && other.Namespace == key.Namespace && Priority(other) > Priority(jobs[uid]) {
						t.Fatalf("%s admitted before the more urgent %s", key, other.Name)
					}
				}
				active[uid] = true
			},
			"say running": func(t *rapid.T) {
				if job := drawJob(t, jobs); job != nil && active[job.UID] {
					job.Status.Phase = v1alpha1.PhaseRunning
					q.Observe(job)
				}
			},
			"delete": func(t *rapid.T) {
				if job := drawJob(t, jobs); job != nil {
					q.Forget(job.UID)
					delete(jobs, job.UID)
					delete(active, job.UID)
				}
			},
			"finish": func(t *rapid.T) {
				if job := drawJob(t, jobs); job != nil && active[job.UID] {
					job.Status.Phase = v1alpha1.PhaseCompleted
					q.Observe(job)
					delete(active, job.UID)
				}
			},
			"": func(t *rapid.T) {
				open := 0
				for _, job := range jobs {
					if !job.Status.Phase.Finished() {
						open++
					}
				}
				admitted, waiting, unaccounted := q.Depth()
				if admitted != len(active) || waiting != open-len(active) {
					t.Fatalf("queue counts %d and %d, model %d active of %d", admitted, waiting, len(active), open)
				}
				if unaccounted != 0 {
					t.Fatalf("%d jobs unaccounted for", unaccounted)
				}
				if limits.MaxActive > 0 && admitted > limits.MaxActive {
					t.Fatalf("%d active, limit %d", admitted, limits.MaxActive)
				}
			},
		})
	})
}

func drawJob(t *rapid.T, jobs map[types.UID]*v1alpha1.ProcessingJob) *v1alpha1.ProcessingJob {
	var open []types.UID
	for uid, job := range jobs {
		if !job.Status.Phase.Finished() {
			open = append(open, uid)
		}
	}
	if len(open) == 0 {
		return nil
	}
	// Map order is random; the draw must not be, or a failure could not be replayed.
	slices.Sort(open)
	return jobs[rapid.SampledFrom(open).Draw(t, "job")]
}
