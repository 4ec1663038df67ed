package manager_test

import (
	"context"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"
)

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("paused")
	child := f.child(job, 1)
	pod := f.cp.Pod(t, child)
	f.untilPhase("paused", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	f.setSuspend("paused", true)
	f.untilPhase("paused", v1alpha1.PhasePending, v1alpha1.ReasonSuspended)
	f.gone(pod)
	f.setSuspend("paused", false)
	f.cp.Pod(t, child, pod.Name)
	if again := f.untilPhase("paused", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting); again.Status.Attempts != 1 {
		t.Errorf("suspending counted as an attempt: %+v", again.Status)
	}
}

func (f *fixture) setSuspend(name string, suspend bool) {
	f.Helper()
	job := f.until(name, "readable", func(*v1alpha1.ProcessingJob) bool { return true })
	before := job.DeepCopy()
	job.Spec.Suspend = &suspend
	if err := f.client.Patch(f.Context(), job, client.MergeFrom(before)); err != nil {
		f.Fatal(err)
	}
}

// TestSuspendedWhileAnAttemptStarts: the suspension lands after the Job was created and before the status says so.
func TestSuspendedWhileAnAttemptStarts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.wrapClient = func(c client.Client) client.Client { return &suspendsAtCreate{Client: c, f: f, job: "raced"} }
	f.startManager()
	f.processor()
	job := f.job("raced")
	child := f.child(job, 1)
	f.until("raced", "suspended in its first attempt", func(j *v1alpha1.ProcessingJob) bool {
		return j.Status.Phase == v1alpha1.PhasePending && j.Status.Reason == v1alpha1.ReasonSuspended && j.Status.Attempts == 1
	})
	f.untilJobSuspended(child)
	f.setSuspend("raced", false)
	f.cp.Pod(t, child)
	if again := f.untilPhase("raced", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting); again.Status.Attempts != 1 {
		t.Errorf("suspending counted as an attempt: %+v", again.Status)
	}
}

// suspendsAtCreate suspends a job as soon as its first Job exists.
type suspendsAtCreate struct {
	client.Client
	f    *fixture
	job  string
	once sync.Once
}

func (c *suspendsAtCreate) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	err := c.Client.Create(ctx, o, options...)
	if _, ok := o.(*batchv1.Job); ok && err == nil {
		c.once.Do(func() { c.f.setSuspend(c.job, true) })
	}
	return err
}

// untilJobSuspended waits until the Job controller has taken a suspension in, which includes the pods.
func (f *fixture) untilJobSuspended(child *batchv1.Job) {
	f.Helper()
	controlplane.Eventually(f.T, child.Name+" to be suspended", func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKeyFromObject(child), child)
		for _, c := range child.Status.Conditions {
			if c.Type == batchv1.JobSuspended && c.Status == corev1.ConditionTrue {
				return child.Status.Active == 0, err
			}
		}
		return false, err
	})
}
