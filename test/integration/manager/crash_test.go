package manager_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/collector"
	"bricklayers.dev/bricklayers/test/controlplane"
)

// TestCrashAtEveryWrite stops the manager at each of its writes in turn, just before the write reaches the API server
// and just after, starts another, and checks what is left: one Job per attempt, one way through the phases, nothing left running.
func TestCrashAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, s := range []scenario{
		{name: "completed", exits: []int32{0}, phase: v1alpha1.PhaseCompleted, attempts: 1},
		{name: "input at fault", exits: []int32{65}, phase: v1alpha1.PhaseError, attempts: 1},
		{name: "retried", exits: []int32{1, 0}, phase: v1alpha1.PhaseCompleted, attempts: 2},
		{name: "timeout", exits: []int32{-1}, phase: v1alpha1.PhaseTimeout, attempts: 1, timeout: ptr.To[int32](1)},
		{name: "expired", exits: []int32{0}, attempts: 1, ttl: ptr.To[int32](0)},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			writes := s.live(t, nil)
			if writes == 0 {
				t.Fatal("the manager wrote nothing")
			}
			for n := 1; n <= writes; n++ {
				for _, after := range []bool{false, true} {
					t.Run(fmt.Sprintf("write %d of %d, after it: %v", n, writes, after), func(t *testing.T) {
						t.Parallel()
						s.live(t, &crash{at: n, after: after})
					})
				}
			}
		})
	}
}

// scenario is one job's life, played against the manager.
type scenario struct {
	name         string
	exits        []int32 // exit code of each attempt's process; -1: it runs for ever
	phase        v1alpha1.Phase
	attempts     int
	timeout, ttl *int32
}

// crash says at which write the manager stops.
type crash struct {
	at    int
	after bool
}

// live plays the scenario and returns how many writes the managers made.
func (s scenario) live(t *testing.T, c *crash) int {
	f := newFixture(t)
	f.processor()
	spans := collector.Start(t)
	f.tracer = spans.Tracer(t)
	history := f.watchPhases(t)
	f.playKubelet(t, s.exits)

	counter := &faultyClient{crash: c}
	f.wrapClient = counter.wrap
	stop := f.startManager()
	counts := []*prometheus.Registry{f.registry}
	job := f.tracedJob("job", traceparent, func(spec *v1alpha1.ProcessingJobSpec) {
		spec.TimeoutSeconds, spec.TTLSecondsAfterFinished = s.timeout, s.ttl
	})
	if c != nil {
		// How many writes a life takes depends on what the manager sees in between, so it may end without the crash.
		controlplane.Eventually(t, "the manager to crash or the job to end", func(ctx context.Context) (bool, error) {
			now := &v1alpha1.ProcessingJob{}
			err := f.client.Get(ctx, client.ObjectKeyFromObject(job), now)
			return counter.crashed() || apierrors.IsNotFound(err) || now.Status.Phase.Finished(), nil
		})
		stop()
		f.wrapClient = nil
		f.startManager()
		counts = append(counts, f.registry)
	}
	if s.phase == "" {
		f.gone(job)
	} else {
		f.until("job", string(s.phase), func(j *v1alpha1.ProcessingJob) bool { return j.Status.Phase == s.phase })
		f.expectAttempts(t, s.attempts)
		f.noPodRuns(t)
	}
	history.check(t)
	f.expectCountedOnce(t, counts, c)
	stop()
	f.tracer.Shutdown(t.Context())
	wantNoSpanTwice(t, spans)
	return counter.count()
}

// expectCountedOnce: all managers together have counted the end of the job once, or, when the one that wrote it was killed
// between the write and the count, which dies with it, not at all.
func (f *fixture) expectCountedOnce(t *testing.T, managers []*prometheus.Registry, c *crash) {
	t.Helper()
	count := func() (total float64) {
		for _, f.registry = range managers {
			for _, status := range []string{"completed", "error", "timeout"} {
				total += f.metric("processing_jobs_total", "status", status)
			}
		}
		return total
	}
	if c == nil || !c.after {
		controlplane.Eventually(t, "the end of the job to be counted", func(context.Context) (bool, error) { return count() > 0, nil })
	}
	if total := count(); total > 1 {
		t.Errorf("the job was counted %v times", total)
	}
}

// expectAttempts: the status counts so many, and there are no more Jobs than that; one that was stopped is gone.
func (f *fixture) expectAttempts(t *testing.T, attempts int) {
	t.Helper()
	job := f.until("job", "readable", func(*v1alpha1.ProcessingJob) bool { return true })
	if int(job.Status.Attempts) != attempts {
		t.Errorf("%d attempts, want %d", job.Status.Attempts, attempts)
	}
	jobs := &batchv1.JobList{}
	if err := f.client.List(t.Context(), jobs, client.InNamespace(f.namespace)); err != nil {
		t.Fatal(err)
	}
	if len(jobs.Items) > attempts {
		t.Errorf("%d Jobs for %d attempts", len(jobs.Items), attempts)
	}
}

// noPodRuns waits until nothing runs on for a finished job.
func (f *fixture) noPodRuns(t *testing.T) {
	t.Helper()
	controlplane.Eventually(t, "no pod to run", func(ctx context.Context) (bool, error) {
		pods := &corev1.PodList{}
		err := f.client.List(ctx, pods, client.InNamespace(f.namespace))
		return !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool {
			return p.Status.Phase == corev1.PodPending || p.Status.Phase == corev1.PodRunning
		}), err
	})
}

// phases is every phase that the API server ever showed of the job.
type phases struct {
	mu   sync.Mutex
	seen []v1alpha1.Phase
}

func (f *fixture) watchPhases(t *testing.T) *phases {
	t.Helper()
	watch, err := f.cp.Client.Watch(t.Context(), &v1alpha1.ProcessingJobList{}, client.InNamespace(f.namespace))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watch.Stop)
	p := &phases{}
	go func() {
		for event := range watch.ResultChan() {
			if job, ok := event.Object.(*v1alpha1.ProcessingJob); ok {
				p.mu.Lock()
				if len(p.seen) == 0 || p.seen[len(p.seen)-1] != job.Status.Phase {
					p.seen = append(p.seen, job.Status.Phase)
				}
				p.mu.Unlock()
			}
		}
	}()
	return p
}

// check: the phases went one way, and nothing came after a final one.
func (p *phases) check(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, phase := range p.seen {
		if phase.Finished() && i != len(p.seen)-1 || phase == v1alpha1.PhasePending && i != 0 {
			t.Errorf("the phases were %v", p.seen)
			return
		}
	}
}

// playKubelet ends the pods of each attempt with the exit code of the plan, and commits a result before a good end.
func (f *fixture) playKubelet(t *testing.T, exits []int32) {
	t.Helper()
	watch, err := f.cp.Client.Watch(t.Context(), &corev1.PodList{}, client.InNamespace(f.namespace))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watch.Stop)
	go func() {
		for event := range watch.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			if err := f.playPod(t.Context(), pod, exits); err != nil && t.Context().Err() == nil {
				t.Errorf("kubelet: %v", err)
			}
		}
	}()
}

func (f *fixture) playPod(ctx context.Context, pod *corev1.Pod, exits []int32) error {
	if pod.DeletionTimestamp != nil {
		// There is no node, so nothing else would confirm that its containers have stopped.
		return client.IgnoreNotFound(f.client.Delete(ctx, pod, client.GracePeriodSeconds(0)))
	}
	if pod.Status.InitContainerStatuses != nil {
		return nil
	}
	var attempt int
	if _, err := fmt.Sscan(pod.Labels["processing.bricklayers.dev/attempt"], &attempt); err != nil || attempt > len(exits) {
		return fmt.Errorf("unexpected pod %s of attempt %d: %w", pod.Name, attempt, err)
	}
	exit := exits[attempt-1]
	if exit == 0 {
		if err := f.commit(ctx, pod); err != nil {
			return err
		}
	}
	before := pod.DeepCopy()
	pod.Status = endedStatus("process", exit, "Error", "")
	switch exit {
	case 0:
		pod.Status = endedStatus("store", 0, "Completed", "")
	case -1:
		pod.Status = runningStatus()
	}
	return client.IgnoreNotFound(f.client.Status().Patch(ctx, pod, client.MergeFrom(before)))
}

func (f *fixture) commit(ctx context.Context, pod *corev1.Pod) error {
	job := &v1alpha1.ProcessingJob{}
	key := client.ObjectKey{Namespace: f.namespace, Name: pod.Labels["processing.bricklayers.dev/job"]}
	if err := f.client.Get(ctx, key, job); err != nil {
		return client.IgnoreNotFound(err)
	}
	before := job.DeepCopy()
	setResult(job)
	return f.client.Status().Patch(ctx, job, client.MergeFrom(before))
}

// faultyClient counts a manager's writes and stops the manager at one of them.
type faultyClient struct {
	crash *crash

	mu     sync.Mutex
	writes int
	down   bool
}

var errCrashed = errors.New("the manager has crashed")

func (c *faultyClient) crashed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down
}

func (c *faultyClient) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// write makes one write, unless this is where the manager stops. Once it has stopped, nothing of it reaches the API
// server any more: a killed process has no last words.
func (c *faultyClient) write(do func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errCrashed
	}
	c.writes++
	if c.crash == nil || c.writes != c.crash.at {
		return do()
	}
	c.down = true
	if c.crash.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errCrashed
}

func (c *faultyClient) wrap(inner client.Client) client.Client {
	return &writes{Client: inner, faulty: c}
}

type writes struct {
	client.Client
	faulty *faultyClient
}

func (w *writes) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	return w.faulty.write(func() error { return w.Client.Create(ctx, o, options...) })
}

func (w *writes) Patch(ctx context.Context, o client.Object, p client.Patch, options ...client.PatchOption) error {
	return w.faulty.write(func() error { return w.Client.Patch(ctx, o, p, options...) })
}

func (w *writes) Delete(ctx context.Context, o client.Object, options ...client.DeleteOption) error {
	return w.faulty.write(func() error { return w.Client.Delete(ctx, o, options...) })
}

func (w *writes) Status() client.SubResourceWriter {
	return &statusWrites{SubResourceWriter: w.Client.Status(), faulty: w.faulty}
}

type statusWrites struct {
	client.SubResourceWriter
	faulty *faultyClient
}

func (w *statusWrites) Patch(ctx context.Context, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
	return w.faulty.write(func() error { return w.SubResourceWriter.Patch(ctx, o, p, options...) })
}
