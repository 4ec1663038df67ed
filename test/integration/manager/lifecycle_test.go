package manager_test

import (
	"context"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/test/controlplane"
)

func TestCompleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("benchy")
	pod := f.cp.Pod(t, f.child(job, 1))
	started := f.untilPhase("benchy", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	if started.Status.Attempts != 1 || started.Status.StartTime == nil {
		t.Errorf("status %+v", started.Status)
	}
	f.expectMetric(1, "processing_jobs_active")
	f.commits(started)
	f.ends(pod, "store", 0, "Completed", "")
	done := f.untilPhase("benchy", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted)
	if !meta.IsStatusConditionTrue(done.Status.Conditions, v1alpha1.ConditionFinished) ||
		!meta.IsStatusConditionTrue(done.Status.Conditions, v1alpha1.ConditionStarted) || done.Status.Duration == "" {
		t.Errorf("status %+v", done.Status)
	}
	controlplane.Eventually(t, "the job to be counted", func(context.Context) (bool, error) {
		return f.metric("processing_jobs_total", "status", "completed") == 1, nil
	})
	f.expectMetric(0, "processing_jobs_total", "status", "error")
	f.expectMetric(1, "processing_duration_seconds")
	f.expectMetric(1, "processing_input_size_bytes")
	f.expectMetric(1, "processing_output_size_bytes")
	f.expectMetric(0, "processing_jobs_active")
}

func TestInputAtFaultIsNotRetried(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("junk")
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 65, "Error", "brick: no_extrusion: this is not a print")
	done := f.untilPhase("junk", v1alpha1.PhaseError, v1alpha1.ReasonInputRejected)
	if done.Status.Attempts != 1 || ptr.Deref(done.Status.ExitCode, 0) != 65 ||
		!strings.Contains(done.Status.Message, "no_extrusion") {
		t.Errorf("status %+v", done.Status)
	}
}

func TestRetriedThenError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("flaky", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](1) })
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 1, "Error", "boom")
	f.until("flaky", "in its second attempt", func(j *v1alpha1.ProcessingJob) bool { return j.Status.Attempts == 2 })
	f.ends(f.cp.Pod(t, f.child(job, 2)), "process", 3, "Error", "boom again")
	done := f.untilPhase("flaky", v1alpha1.PhaseError, v1alpha1.ReasonProcessorFailed)
	if done.Status.Attempts != 2 || ptr.Deref(done.Status.ExitCode, 0) != 3 {
		t.Errorf("status %+v", done.Status)
	}
}

func TestOutOfMemoryGrowsThenFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor(func(s *v1alpha1.ProcessorSpec) {
		s.Container.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")}
		s.Limits.MaxMemory = ptr.To(resource.MustParse("200Mi"))
	})
	job := f.job("big", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](1) })
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 137, "OOMKilled", "")
	second := f.child(job, 2)
	memory := second.Spec.Template.Spec.InitContainers[1].Resources.Limits[corev1.ResourceMemory]
	if memory.String() != "200Mi" {
		t.Errorf("the second attempt may use %s, want the ceiling of 200Mi", memory.String())
	}
	f.until("big", "growing, visibly", func(j *v1alpha1.ProcessingJob) bool { return strings.Contains(j.Status.Message, "200Mi") })
	f.ends(f.cp.Pod(t, second), "process", 137, "OOMKilled", "")
	f.untilPhase("big", v1alpha1.PhaseError, v1alpha1.ReasonOutOfMemory)
}

// TestGrownMemoryIsKept: another failure in between does not take it back.
func TestGrownMemoryIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor(func(p *v1alpha1.ProcessorSpec) {
		p.Container.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("100Mi")}
		p.Limits.MaxMemory = ptr.To(resource.MustParse("1Gi"))
	})
	job := f.job("grown", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](2) })
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 137, "OOMKilled", "")
	f.ends(f.cp.Pod(t, f.child(job, 2)), "store", 1, "Error", "")
	if memory := f.child(job, 3).Spec.Template.Spec.InitContainers[1].Resources.Limits.Memory(); memory.String() != "200Mi" {
		t.Errorf("the third attempt may use %s, want the 200Mi of the second", memory)
	}
}

func TestDisruptionIsNotAnAttempt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("drained", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](0) })
	child := f.child(job, 1)
	pod := f.cp.Pod(t, child)
	f.podStatus(pod, func(s *corev1.PodStatus) {
		s.Phase = corev1.PodFailed
		s.Conditions = append(s.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI",
		})
		s.InitContainerStatuses = []corev1.ContainerStatus{{Name: "process", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 143, Reason: "Error"}}}}
	})
	again := f.cp.Pod(t, child, pod.Name)
	running := f.untilPhase("drained", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	f.commits(running)
	f.ends(again, "store", 0, "Completed", "")
	if done := f.untilPhase("drained", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted); done.Status.Attempts != 1 {
		t.Errorf("counted %d attempts", done.Status.Attempts)
	}
}

func TestImageThatCannotBePulled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("noimage", func(s *v1alpha1.ProcessingJobSpec) { s.PendingTimeoutSeconds = ptr.To[int32](3) })
	child := f.child(job, 1)
	f.podStatus(f.cp.Pod(t, child), func(s *corev1.PodStatus) {
		s.Phase = corev1.PodPending
		s.InitContainerStatuses = []corev1.ContainerStatus{
			{Name: "process", Image: "example.com/brick:1", State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such host"}}},
		}
	})
	told := f.untilPhase("noimage", v1alpha1.PhaseRunning, v1alpha1.ReasonImagePull)
	if c := meta.FindStatusCondition(told.Status.Conditions, v1alpha1.ConditionStarted); c == nil ||
		c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "no such host") {
		t.Errorf("condition %+v", c)
	}
	f.untilPhase("noimage", v1alpha1.PhaseTimeout, v1alpha1.ReasonNotStarted)
	f.gone(child)
}

// TestStarted: one that runs for a while says so, once, and takes back what kept it from starting.
func TestStarted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	pod := f.cp.Pod(t, f.child(f.job("steady"), 1))
	f.podStatus(pod, func(s *corev1.PodStatus) {
		s.InitContainerStatuses = []corev1.ContainerStatus{{Name: "process", Image: "example.com/brick:1",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such host"}}}}
	})
	f.untilPhase("steady", v1alpha1.PhaseRunning, v1alpha1.ReasonImagePull)
	f.podStatus(pod, func(s *corev1.PodStatus) { *s = runningStatus() })
	started := f.untilPhase("steady", v1alpha1.PhaseRunning, v1alpha1.ReasonStarted)
	if !meta.IsStatusConditionTrue(started.Status.Conditions, v1alpha1.ConditionStarted) || started.Status.Message != "" {
		t.Errorf("status %+v", started.Status)
	}

	pod = f.cp.Pod(t, f.child(f.job("plain"), 1))
	f.podStatus(pod, func(s *corev1.PodStatus) { *s = runningStatus() })
	plain := f.untilPhase("plain", v1alpha1.PhaseRunning, v1alpha1.ReasonStarted)
	if !meta.IsStatusConditionTrue(plain.Status.Conditions, v1alpha1.ConditionStarted) {
		t.Errorf("status %+v", plain.Status)
	}
	f.never("the job was written to again", func() bool {
		now := f.until("plain", "readable", func(*v1alpha1.ProcessingJob) bool { return true })
		return now.ResourceVersion != plain.ResourceVersion
	})
}

func TestRunsTooLong(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("endless", func(s *v1alpha1.ProcessingJobSpec) { s.TimeoutSeconds = ptr.To[int32](2) })
	child := f.child(job, 1)
	f.podStatus(f.cp.Pod(t, child), func(s *corev1.PodStatus) { *s = runningStatus() })
	f.untilPhase("endless", v1alpha1.PhaseTimeout, v1alpha1.ReasonDeadlineExceeded)
	f.gone(child)
	controlplane.Eventually(t, "the timeout to be counted", func(context.Context) (bool, error) {
		return f.metric("processing_jobs_total", "status", "timeout") == 1, nil
	})
}

func TestJobDeletedByAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("stolen", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](1) })
	for attempt := int32(1); attempt <= 2; attempt++ {
		f.until("stolen", "in its next attempt", func(j *v1alpha1.ProcessingJob) bool { return j.Status.Attempts == attempt })
		child := f.child(job, attempt)
		f.cp.Pod(t, child)
		if err := f.client.Delete(t.Context(), child, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
			t.Fatal(err)
		}
	}
	f.untilPhase("stolen", v1alpha1.PhaseError, v1alpha1.ReasonJobDeleted)
}

// TestPodOfAStolenJobStopsFirst: the next attempt waits until the containers of the pod whose Job was deleted have stopped.
func TestPodOfAStolenJobStopsFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("lingers", func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](1) })
	child := f.child(job, 1)
	pod := f.cp.Pod(t, child)
	f.runsOnSilentNode(pod)
	if err := f.client.Delete(t.Context(), child, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	controlplane.Eventually(t, "the pod to be told to stop", func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKeyFromObject(pod), pod)
		return pod.DeletionTimestamp != nil, err
	})
	f.never("a second attempt started beside the first one's pod", func() bool {
		now := f.until("lingers", "readable", func(*v1alpha1.ProcessingJob) bool { return true })
		return now.Status.Attempts > 1
	})
	if err := f.client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	f.child(job, 2)
}

func TestWaitsForItsProcessor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	job := f.job("early")
	f.untilPhase("early", v1alpha1.PhasePending, v1alpha1.ReasonProcessorNotFound)
	f.processor()
	f.child(job, 1)
	f.untilPhase("early", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
}

func TestLimitHoldsJobsBackWithoutWritingToThem(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limits = queue.Limits{MaxActive: 1}
	f.startManager()
	f.processor()
	first := f.job("first")
	f.untilPhase("first", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	second := f.job("second")
	f.never("the second job was written to", func() bool {
		now := &v1alpha1.ProcessingJob{}
		err := f.client.Get(t.Context(), client.ObjectKeyFromObject(second), now)
		return err != nil || now.ResourceVersion != second.ResourceVersion
	})
	f.expectMetric(1, "processing_jobs_pending")
	f.ends(f.cp.Pod(t, f.child(first, 1)), "process", 65, "Error", "")
	f.untilPhase("second", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
}

func TestReasonOfAWaitingJobFollowsItsProcessor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limits = queue.Limits{MaxActive: 1}
	f.startManager()
	f.processor()
	f.job("first")
	f.untilPhase("first", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	f.job("second")
	controlplane.Eventually(t, "the second to wait", func(context.Context) (bool, error) {
		return f.metric("processing_jobs_pending") == 1, nil
	})
	f.deleteProcessor()
	f.untilPhase("second", v1alpha1.PhasePending, v1alpha1.ReasonProcessorNotFound)
	f.processor()
	f.untilPhase("second", v1alpha1.PhasePending, v1alpha1.ReasonQueued)
}

func TestExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("old")
	child := f.child(job, 1)
	f.ends(f.cp.Pod(t, child), "process", 65, "Error", "")
	done := f.untilPhase("old", v1alpha1.PhaseError, v1alpha1.ReasonInputRejected)
	before := done.DeepCopy()
	done.Spec.TTLSecondsAfterFinished = ptr.To[int32](0)
	if err := f.client.Patch(t.Context(), done, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	f.gone(done)
	f.gone(child)
}

// A job past its retention stays until its webhook was told: nothing else remembers that it is to be.
func TestExpiresOnceItsWebhookWasTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	var jobs []*v1alpha1.ProcessingJob
	for _, name := range []string{"told", "plain"} {
		job := f.job(name, func(s *v1alpha1.ProcessingJobSpec) {
			s.TTLSecondsAfterFinished = ptr.To[int32](0)
			if name == "told" {
				s.Webhook = &v1alpha1.Webhook{URL: "https://example.com/"}
			}
		})
		f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 65, "Error", "")
		jobs = append(jobs, job)
	}
	f.gone(jobs[1])
	done := f.untilPhase("told", v1alpha1.PhaseError, v1alpha1.ReasonInputRejected)
	before := done.DeepCopy()
	meta.SetStatusCondition(&done.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionNotified, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonDelivered,
	})
	if err := f.client.Status().Patch(t.Context(), done, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	f.gone(done)
}

func TestDeletedWhileRunning(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("cancelled")
	child := f.child(job, 1)
	pod := f.cp.Pod(t, child)
	if err := f.client.Delete(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	f.gone(child)
	f.gone(pod)
}

func TestManagerRestartsBetweenCreatingTheJobAndSayingSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.processor()
	stop := f.startManager()
	job := f.job("restarted")
	child := f.child(job, 1)
	f.untilPhase("restarted", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	stop()
	// As if the status write had never happened.
	now := f.until("restarted", "readable", func(*v1alpha1.ProcessingJob) bool { return true })
	before := now.DeepCopy()
	now.Status = v1alpha1.ProcessingJobStatus{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonQueued}
	if err := f.client.Status().Patch(t.Context(), now, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	f.startManager()
	again := f.untilPhase("restarted", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	jobs := &batchv1.JobList{}
	if err := f.client.List(t.Context(), jobs, client.InNamespace(f.namespace)); err != nil {
		t.Fatal(err)
	}
	if again.Status.Attempts != 1 || len(jobs.Items) != 1 || jobs.Items[0].UID != child.UID {
		t.Errorf("%d attempts, %d Jobs", again.Status.Attempts, len(jobs.Items))
	}
}

func TestRestartDoesNotCountHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.processor()
	stop := f.startManager()
	job := f.job("past")
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 65, "Error", "")
	f.untilPhase("past", v1alpha1.PhaseError, v1alpha1.ReasonInputRejected)
	stop()
	f.startManager()
	f.job("next")
	f.untilPhase("next", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	f.expectMetric(0, "processing_jobs_total", "status", "error")
}

func TestWaitingByReason(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limits = queue.Limits{MaxActive: 1}
	f.startManager()
	f.processor()
	first := f.job("first")
	f.untilPhase("first", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	f.job("second")
	f.job("third", func(s *v1alpha1.ProcessingJobSpec) { s.Processor = "nosuch" })
	controlplane.Eventually(t, "both to be seen waiting", func(context.Context) (bool, error) {
		return f.metric("processing_jobs_pending") == 2, nil
	})
	f.expectMetric(1, "bricklayers_jobs_waiting", "reason", v1alpha1.ReasonInstallationLimit)
	f.expectMetric(1, "bricklayers_jobs_waiting", "reason", v1alpha1.ReasonProcessorNotFound)
	f.ends(f.cp.Pod(t, f.child(first, 1)), "process", 65, "Error", "")
	f.untilPhase("second", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
	controlplane.Eventually(t, "the attempt to be counted", func(context.Context) (bool, error) {
		return f.metric("bricklayers_attempts_total", "outcome", "input_rejected") == 1, nil
	})
	f.expectMetric(2, "bricklayers_queue_estimate_error_seconds")
}
