package manager_test

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queue"
)

// TestLeftToKueue holds the manager against Kueue's contract for batch/v1 Jobs, with the test in Kueue's place.
func TestLeftToKueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limits = queue.Limits{MaxActive: 1}
	f.startManager()
	f.processor()
	f.job("ours") // takes the only place
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{
			queue.KueueLabel: "lots", "kueue.x-k8s.io/priority-class": "high", "other": "label",
		}},
		Spec: v1alpha1.ProcessingJobSpec{Processor: "brick", ManagedBy: ptr.To("kubernetes.io/job-controller"),
			Input: v1alpha1.Input{ConfigMap: &v1alpha1.ConfigMapInput{Name: "prints", Key: "part.gcode"}}},
	}
	f.create(job)
	f.untilPhase("theirs", v1alpha1.PhasePending, v1alpha1.ReasonKueue)
	child := f.child(job, 1)
	if !ptr.Deref(child.Spec.Suspend, false) || child.Labels[queue.KueueLabel] != "lots" ||
		child.Labels["kueue.x-k8s.io/priority-class"] != "high" || child.Labels["other"] != "" ||
		ptr.Deref(child.Spec.ManagedBy, "") != "kubernetes.io/job-controller" {
		t.Errorf("the Job is not as Kueue wants it: labels %v, suspend %v, managedBy %v",
			child.Labels, child.Spec.Suspend, child.Spec.ManagedBy)
	}
	f.setJobSuspend(child, false) // admitted
	pod := f.cp.Pod(t, child)
	f.untilPhase("theirs", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	f.setJobSuspend(child, true) // evicted and queued again
	f.untilPhase("theirs", v1alpha1.PhasePending, v1alpha1.ReasonKueue)
	f.gone(pod)
	f.setJobSuspend(child, false)
	again := f.cp.Pod(t, child, pod.Name)
	running := f.untilPhase("theirs", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	f.commits(running)
	f.ends(again, "store", 0, "Completed", "")
	if done := f.untilPhase("theirs", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted); done.Status.Attempts != 1 {
		t.Errorf("an eviction counted as an attempt: %+v", done.Status)
	}
}

func TestLeftToKueueBeforeItsProcessorExists(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.kueueJob("early")
	f.untilPhase("early", v1alpha1.PhasePending, v1alpha1.ReasonProcessorNotFound)
	f.processor()
	f.untilPhase("early", v1alpha1.PhasePending, v1alpha1.ReasonKueue)
}

// TestSuspendWhatKueueAdmitted: Kueue starts any suspended Job that it has admitted, so the Job goes, and comes again under
// its name once its pod has stopped.
func TestSuspendWhatKueueAdmitted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.kueueJob("paused")
	f.untilPhase("paused", v1alpha1.PhasePending, v1alpha1.ReasonKueue)
	child := f.child(job, 1)
	first := child.UID
	f.setJobSuspend(child, false)
	pod := f.cp.Pod(t, child)
	f.untilPhase("paused", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	f.runsOnSilentNode(pod)
	f.setSuspend("paused", true)
	f.untilPhase("paused", v1alpha1.PhasePending, v1alpha1.ReasonSuspended)
	f.gone(child)
	f.setSuspend("paused", false)
	f.never("the Job came again beside the pod of the first", func() bool {
		return f.client.Get(t.Context(), client.ObjectKeyFromObject(child), child) == nil
	})
	if err := f.client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	child = f.child(job, 1)
	if child.UID == first || !ptr.Deref(child.Spec.Suspend, false) {
		t.Errorf("the Job that came again is the first, or one that does not wait for Kueue: %+v", child.Spec.Suspend)
	}
	if now := f.untilPhase("paused", v1alpha1.PhasePending, v1alpha1.ReasonKueue); now.Status.Attempts != 1 {
		t.Errorf("suspending counted as an attempt: %+v", now.Status)
	}
	f.setJobSuspend(child, false)
	again := f.cp.Pod(t, child)
	f.commits(f.untilPhase("paused", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting))
	f.ends(again, "store", 0, "Completed", "")
	f.untilPhase("paused", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted)
}

// kueueJob makes a ProcessingJob that is left to Kueue.
func (f *fixture) kueueJob(name string) *v1alpha1.ProcessingJob {
	f.Helper()
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{queue.KueueLabel: "lots"}},
		Spec: v1alpha1.ProcessingJobSpec{Processor: "brick",
			Input: v1alpha1.Input{ConfigMap: &v1alpha1.ConfigMapInput{Name: "prints", Key: "part.gcode"}}},
	}
	f.create(job)
	return job
}

func (f *fixture) setJobSuspend(child *batchv1.Job, suspend bool) {
	f.Helper()
	if err := f.client.Get(f.Context(), client.ObjectKeyFromObject(child), child); err != nil {
		f.Fatal(err)
	}
	before := child.DeepCopy()
	child.Spec.Suspend = &suspend
	if err := f.client.Patch(f.Context(), child, client.MergeFrom(before)); err != nil {
		f.Fatal(err)
	}
}
