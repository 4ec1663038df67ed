package manager_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
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
