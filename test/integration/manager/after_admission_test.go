package manager_test

import (
	"context"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"
)

func TestResultMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("empty-handed", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](2) })
	child := f.child(job, 1)
	f.ends(f.cp.Pod(t, child), "store", 0, "Completed", "")
	controlplane.Eventually(t, "the Job to be complete", func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKeyFromObject(child), child)
		return len(child.Status.Conditions) > 0, err
	})
	f.never("the job ended before its grace period was over", func() bool {
		now := f.until("empty-handed", "readable", func(*v1alpha1.ProcessingJob) bool { return true })
		return now.Status.Phase.Finished()
	})
	controlplane.Within(t, time.Minute, "the grace period to end", func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKeyFromObject(job), job)
		return job.Status.Phase == v1alpha1.PhaseError && job.Status.Reason == v1alpha1.ReasonResultMissing, err
	})
}

func TestPodThatEndedWithoutSayingHow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("mute", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](0) })
	f.podStatus(f.cp.Pod(t, f.child(job, 1)), func(s *corev1.PodStatus) {
		*s = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "NodeShutdown", Message: "the node went down"}
	})
	f.untilPhase("mute", v1alpha1.PhaseError, v1alpha1.ReasonProcessorFailed)
}

func TestPodDeletedBeforeAnybodyReadIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.processor()
	stop := f.startManager()
	job := f.job("unread", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](0) })
	child := f.child(job, 1)
	pod := f.cp.Pod(t, child)
	f.untilPhase("unread", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	stop()
	f.ends(pod, "process", 65, "Error", "no print")
	controlplane.Eventually(t, "the Job to fail", func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKeyFromObject(child), child)
		return len(child.Status.Conditions) > 0 && child.Status.Conditions[len(child.Status.Conditions)-1].Type == batchv1.JobFailed, err
	})
	if err := f.client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	f.gone(pod)
	f.startManager()
	done := f.untilPhase("unread", v1alpha1.PhaseError, v1alpha1.ReasonInputRejected)
	if ptr.Deref(done.Status.ExitCode, 0) != 65 {
		t.Errorf("exit code %v, want 65 from the Job's condition", done.Status.ExitCode)
	}
}

// TestProcessorChangedAndDeletedWhileAJobRuns: the job keeps what it started with.
func TestProcessorChangedAndDeletedWhileAJobRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor(func(s *v1alpha1.ProcessorSpec) { s.Defaults.TimeoutSeconds = 600 })
	job := f.job("started")
	child := f.child(job, 1)
	pod := f.cp.Pod(t, child)
	f.podStatus(pod, func(s *corev1.PodStatus) { *s = runningStatus() })
	running := f.untilPhase("started", v1alpha1.PhaseRunning, v1alpha1.ReasonStarted)

	processor := &v1alpha1.Processor{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "brick"}}
	patch := client.RawPatch("application/merge-patch+json",
		[]byte(`{"spec":{"container":{"image":"example.com/other:2"},"defaults":{"timeoutSeconds":1}}}`))
	if err := f.client.Patch(t.Context(), processor, patch); err != nil {
		t.Fatal(err)
	}
	f.never("the running job took over the changed timeout", func() bool {
		now := f.until("started", "readable", func(*v1alpha1.ProcessingJob) bool { return true })
		return now.Status.Phase.Finished()
	})
	f.deleteProcessor()
	f.commits(running)
	f.ends(pod, "store", 0, "Completed", "")
	f.untilPhase("started", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted)
}

// TestProcessorDeletedBetweenTwoAttempts: there is nothing to start the next one with.
func TestProcessorDeletedBetweenTwoAttempts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("stranded", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](3) })
	pod := f.cp.Pod(t, f.child(job, 1))
	f.deleteProcessor()
	f.ends(pod, "process", 1, "Error", "")
	f.untilPhase("stranded", v1alpha1.PhaseError, v1alpha1.ReasonProcessorNotFound)
}

// TestRetentionCanBeLengthenedAndShortened: what counts is what the job says when it is due.
func TestRetentionCanBeLengthenedAndShortened(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	retain := func(job *v1alpha1.ProcessingJob, seconds int32) {
		before := job.DeepCopy()
		job.Spec.TTLSecondsAfterFinished = ptr.To(seconds)
		if err := f.client.Patch(t.Context(), job, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	const first = 3
	kept := f.job("kept", func(s *v1alpha1.ProcessingJobSpec) { s.TTLSecondsAfterFinished = ptr.To[int32](first) })
	f.ends(f.cp.Pod(t, f.child(kept, 1)), "process", 65, "Error", "")
	kept = f.untilPhase("kept", v1alpha1.PhaseError, v1alpha1.ReasonInputRejected)
	retain(kept, 3600)
	f.until("kept", "said to expire later", func(j *v1alpha1.ProcessingJob) bool {
		return j.Status.ExpirationTime.Sub(j.Status.CompletionTime.Time) == time.Hour
	})

	// Another job, finished after it with the same retention, is the clock: when it is gone, the first is overdue.
	other := f.job("other", func(s *v1alpha1.ProcessingJobSpec) { s.TTLSecondsAfterFinished = ptr.To[int32](first) })
	f.ends(f.cp.Pod(t, f.child(other, 1)), "process", 65, "Error", "")
	f.gone(other)
	f.never("the job was deleted although its retention had been lengthened", func() bool {
		err := f.client.Get(t.Context(), client.ObjectKeyFromObject(kept), kept)
		return err != nil || kept.DeletionTimestamp != nil
	})
	retain(kept, 1)
	f.gone(kept)
}

// TestRetentionOutlivesTheProcessor: it is that of the Processor at the job's end. The default would be over by now.
func TestRetentionOutlivesTheProcessor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.startManager()
	f.processor(func(p *v1alpha1.ProcessorSpec) { p.Defaults.TTLSecondsAfterFinished = ptr.To[int32](30 * 86400) })
	job := f.job("kept")
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 65, "Error", "")
	done := f.untilPhase("kept", v1alpha1.PhaseError, v1alpha1.ReasonInputRejected)
	expires := done.Status.ExpirationTime
	if expires == nil || !expires.Time.Equal(done.Status.CompletionTime.Add(30*24*time.Hour)) {
		t.Errorf("it expires %v, it completed %v", expires, done.Status.CompletionTime)
	}
	stop()
	f.deleteProcessor()
	before := done.DeepCopy()
	done.Status.CompletionTime = ptr.To(metav1.NewTime(done.Status.CompletionTime.Add(-48 * time.Hour)))
	if err := f.client.Status().Patch(t.Context(), done, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	f.startManager()
	f.job("later", func(s *v1alpha1.ProcessingJobSpec) { s.Processor = "nosuch" })
	f.untilPhase("later", v1alpha1.PhasePending, v1alpha1.ReasonProcessorNotFound) // the manager is at work
	f.never("the job was deleted before its time", func() bool {
		err := f.client.Get(t.Context(), client.ObjectKeyFromObject(done), done)
		return err != nil || done.DeletionTimestamp != nil
	})
}

// TestNodeLost: a pod on a node that does not exist any more is replaced within the attempt. The controller that finds
// such pods waits for the node for 40 s.
func TestNodeLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("homeless", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](0) })
	child := f.child(job, 1)
	pod := f.cp.Pod(t, child)
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "lost"}}
	if err := f.client.SubResource("binding").Create(t.Context(), pod, binding); err != nil {
		t.Fatal(err)
	}
	f.podStatus(pod, func(s *corev1.PodStatus) { *s = runningStatus() })
	f.goneWithin(2*time.Minute, pod)
	again := f.cp.Pod(t, child, pod.Name)
	f.commits(f.untilPhase("homeless", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting))
	f.ends(again, "store", 0, "Completed", "")
	if done := f.untilPhase("homeless", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted); done.Status.Attempts != 1 {
		t.Errorf("counted %d attempts", done.Status.Attempts)
	}
}

// TestNodeDoesNotAnswer: its pods stay for as long as the node's object does. The attempt is repeated under its name, does
// not count, and the pod that may run on is no part of it any more.
func TestNodeDoesNotAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ahead = 2 * time.Minute // a pod that is told to stop should have stopped a minute ago
	f.startManager()
	f.processor()
	job := f.job("cut-off", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](0) })
	child := f.child(job, 1)
	first := child.UID
	pod := f.cp.Pod(t, child)
	f.runsOnSilentNode(pod)
	if err := f.client.Delete(t.Context(), pod); err != nil { // as the taint of such a node has it done
		t.Fatal(err)
	}
	controlplane.Eventually(t, "the Job to be made again", func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKeyFromObject(child), child)
		return err == nil && child.UID != first, err
	})
	again := f.cp.Pod(t, child, pod.Name)
	f.commits(f.untilPhase("cut-off", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting))
	f.ends(again, "store", 0, "Completed", "")
	if done := f.untilPhase("cut-off", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted); done.Status.Attempts != 1 {
		t.Errorf("counted %d attempts", done.Status.Attempts)
	}
	if err := f.client.Get(t.Context(), client.ObjectKeyFromObject(pod), pod); err != nil {
		t.Errorf("the pod on the silent node is gone, so this test showed nothing: %v", err)
	}
}
