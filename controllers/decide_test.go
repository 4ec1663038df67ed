package controllers

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a moment, in seconds after the attempt's Job was created.
func at(seconds int) metav1.Time {
	return metav1.NewTime(epoch.Add(time.Duration(seconds) * time.Second))
}

func childJob(conditions ...batchv1.JobCondition) *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at(0)},
		Status:     batchv1.JobStatus{Conditions: conditions},
	}
}

// condition became true ten seconds in.
func condition(of batchv1.JobConditionType, reason, message string) batchv1.JobCondition {
	return batchv1.JobCondition{
		Type: of, Status: corev1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: at(10),
	}
}

func ran(name string, from int) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: at(from)},
	}}
}

func ended(name string, code int32, reason, message string, from, to int) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, Message: message, StartedAt: at(from), FinishedAt: at(to),
	}}}
}

func waitsFor(name, reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, Image: "example.com/x:1", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
	}}
}

func podWith(init ...corev1.ContainerStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at(0)},
		Status:     corev1.PodStatus{InitContainerStatuses: init},
	}
}

var failedByPolicy = condition(batchv1.JobFailed, batchv1.JobReasonPodFailurePolicy,
	"Container process for pod ns/x failed with exit code 65 matching FailJob rule at index 1")

func TestDecide(t *testing.T) {
	unschedulable := podWith()
	unschedulable.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes",
	}}
	pastItsDeadline := podWith(ended("process", 137, "Error", "", 1, 2))
	pastItsDeadline.Status.Reason = "DeadlineExceeded"
	evicted := podWith(ended("process", 137, "Error", "", 1, 2))
	evicted.Status.Reason, evicted.Status.Message = "Evicted", `Usage of EmptyDir volume "data" exceeds the limit "1Gi".`
	stops := podWith(ended("fetch", 0, "Completed", "", 1, 2), ran("process", 2))
	stops.DeletionTimestamp = ptr.To(at(580))
	complete := condition(batchv1.JobComplete, batchv1.JobReasonCompletionsReached, "")
	for _, c := range []struct {
		name      string
		child     *batchv1.Job
		pod       *corev1.Pod
		now       int // seconds
		attempt   int32
		output    bool
		complaint string
		stops     bool
		lost      bool
		managedBy string

		phase  v1alpha1.Phase
		reason string
		says   string
		retry  bool
		grow   bool
		giveUp bool
		repeat bool
		again  time.Duration
	}{
		{name: "completed with a result", child: childJob(complete), output: true, now: 11,
			phase: v1alpha1.PhaseCompleted, reason: v1alpha1.ReasonCompleted},
		{name: "result committed but the Job still ends", child: childJob(), output: true, now: 11, pod: podWith(ran("process", 1)),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarted, again: 590 * time.Second},
		{name: "result committed but the pod never ends", child: childJob(), output: true, now: 700, pod: podWith(ran("process", 1)),
			phase: v1alpha1.PhaseCompleted, reason: v1alpha1.ReasonCompleted},
		{name: "result committed, then the pod lost", child: childJob(failedByPolicy), output: true, now: 11,
			phase: v1alpha1.PhaseCompleted, reason: v1alpha1.ReasonCompleted},
		{name: "result committed, then the Job deleted", output: true, now: 11,
			phase: v1alpha1.PhaseCompleted, reason: v1alpha1.ReasonCompleted},
		{name: "no result yet", child: childJob(complete), now: 15,
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarted, again: 25 * time.Second},
		{name: "no result after the grace", child: childJob(complete), now: 40,
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonResultMissing},

		{name: "input at fault", child: childJob(failedByPolicy), now: 11,
			pod:   podWith(ended("fetch", 0, "Completed", "", 1, 2), ended("process", 65, "Error", "no_extrusion: not a print", 2, 3)),
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonInputRejected, says: "no_extrusion: not a print"},
		{name: "input at fault, pod gone", child: childJob(failedByPolicy), now: 11,
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonInputRejected, says: "exit code 65"},
		{name: "input at fault while fetching", child: childJob(failedByPolicy), now: 11,
			pod:   podWith(ended("fetch", 65, "Error", "404", 1, 2)),
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonInputRejected, says: "fetch"},
		{name: "store never blames the input", child: childJob(failedByPolicy), now: 11, attempt: 3,
			pod: &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
				ended("store", 65, "Error", "", 1, 2)}}},
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonStoreFailed},

		{name: "failed, waits before the next attempt", child: childJob(failedByPolicy), now: 11,
			pod:   podWith(ended("process", 1, "Error", "boom", 1, 2)),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, says: "boom", again: time.Second},
		{name: "failed, next attempt", child: childJob(failedByPolicy), now: 13,
			pod:   podWith(ended("process", 1, "Error", "boom", 1, 2)),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, retry: true},
		{name: "failed for the last time", child: childJob(failedByPolicy), now: 13, attempt: 3,
			pod:   podWith(ended("process", 1, "Error", "boom", 1, 2)),
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonProcessorFailed, says: "exit code 1: boom"},
		{name: "out of memory for the last time", child: childJob(failedByPolicy), now: 13, attempt: 3,
			pod:   podWith(ended("process", 137, "OOMKilled", "", 1, 2)),
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonOutOfMemory},
		{name: "fetch out of memory is no reason for the process to grow", child: childJob(failedByPolicy), now: 13,
			pod:   podWith(ended("fetch", 137, "OOMKilled", "", 1, 2)),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, retry: true},
		{name: "the process grows", child: childJob(failedByPolicy), now: 13, grow: true,
			pod:   podWith(ended("process", 137, "OOMKilled", "", 1, 2)),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, retry: true},
		{name: "failed with empty container statuses", now: 13, attempt: 3, pod: podWith(),
			child: childJob(condition(batchv1.JobFailed, batchv1.JobReasonBackoffLimitExceeded, "limit")),
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonProcessorFailed, says: "limit"},

		{name: "evicted for the volume's size", child: childJob(failedByPolicy), now: 13, attempt: 3, pod: evicted,
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonProcessorFailed, says: "the pod was evicted: Usage of EmptyDir"},
		{name: "an injected container ended badly", child: childJob(failedByPolicy), now: 11,
			pod: podWith(ended("proxy", 143, "Error", "", 1, 4), ended("fetch", 0, "Completed", "", 1, 2),
				ended("process", 65, "Error", "not a print", 2, 3)),
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonInputRejected, says: "process ended with exit code 65"},
		{name: "an injected container named by the Job", now: 13, attempt: 3,
			child: childJob(condition(batchv1.JobFailed, batchv1.JobReasonPodFailurePolicy,
				"Container proxy for pod ns/x failed with exit code 65 matching FailJob rule at index 1")),
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonProcessorFailed, says: "the pod failed: Container proxy"},
		{name: "an injected container runs, the image cannot be pulled", child: childJob(), now: 302,
			pod: podWith(ran("proxy", 1), ended("fetch", 0, "Completed", "", 1, 2),
				waitsFor("process", "ImagePullBackOff", "not found")),
			phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonNotStarted, says: "not found"},

		{name: "run by another controller, its pod elsewhere", child: childJob(), now: 4000, managedBy: "kueue.x-k8s.io/multikueue",
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarting},
		{name: "run by another controller, here", child: childJob(), now: 700, managedBy: "example.com/own", pod: podWith(ran("process", 1)),
			phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonDeadlineExceeded},
		{name: "run by another controller, which says that it failed", now: 13, attempt: 3, managedBy: "kueue.x-k8s.io/multikueue",
			child: childJob(failedByPolicy),
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonInputRejected},
		{name: "run by Kubernetes' own controller, by name", child: childJob(), now: 300, managedBy: batchv1.JobControllerName,
			phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonNotStarted},

		{name: "just created", child: childJob(), now: 1,
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarting, again: patience},
		{name: "pod refused", child: childJob(), now: 5, complaint: "exceeded quota",
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonPodNotCreated, says: "exceeded quota", again: 5 * time.Second},
		{name: "pod refused for too long", child: childJob(), now: 300, complaint: "exceeded quota",
			phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonNotStarted, says: "exceeded quota"},
		{name: "image cannot be pulled", child: childJob(), now: 5,
			pod:   podWith(ended("fetch", 0, "Completed", "", 1, 2), waitsFor("process", "ImagePullBackOff", "not found")),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonImagePull, says: "example.com/x:1", again: patience},
		{name: "image still cannot be pulled", child: childJob(), now: 302,
			pod:   podWith(ended("fetch", 0, "Completed", "", 1, 2), waitsFor("process", "ErrImagePull", "not found")),
			phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonNotStarted, says: "not found"},
		{name: "image cannot be pulled, told by an event only", child: childJob(), now: 5, complaint: "Failed to pull image \"x\"",
			pod:   podWith(ended("fetch", 0, "Completed", "", 1, 2), waitsFor("process", "PodInitializing", "")),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonImagePull, says: "x", again: patience},
		{name: "volume missing", child: childJob(), now: 5, complaint: "configmap \"prints\" not found",
			pod:   podWith(waitsFor("fetch", "PodInitializing", "")),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonContainerSetup, says: "prints", again: 5 * time.Second},
		{name: "unschedulable", child: childJob(), now: 5, pod: unschedulable,
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonUnschedulable, says: "0/1 nodes", again: 5 * time.Second},
		{name: "slow fetch is not waiting", child: childJob(), now: 400, pod: podWith(ran("fetch", 10)),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarted, again: 210 * time.Second},
		{name: "runs too long", child: childJob(), now: 700,
			pod:   podWith(ended("fetch", 0, "Completed", "", 1, 2), ran("process", 100)),
			phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonDeadlineExceeded, says: "10m0s"},
		{name: "what fetch took counts, the wait for the image does not", child: childJob(), now: 600,
			pod:   podWith(ended("fetch", 0, "Completed", "", 10, 210), ran("process", 400)),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarted, again: 200 * time.Second},
		{name: "the pod's own deadline", child: childJob(failedByPolicy), now: 13, pod: pastItsDeadline,
			phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonDeadlineExceeded},
		{name: "the Job's own deadline", now: 13,
			child: childJob(condition(batchv1.JobFailed, batchv1.JobReasonDeadlineExceeded, "")),
			phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonDeadlineExceeded},

		{name: "resumed after a long suspension", child: childJob(condition(batchv1.JobSuspended, "JobSuspended", "")), now: 4000,
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarting},
		{name: "resumed while the pod of before still stops", now: 4000, pod: podWith(ran("process", 1)),
			child: childJob(condition(batchv1.JobSuspended, "JobSuspended", "")),
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarting},

		{name: "Job deleted", now: 5, phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, retry: true},
		{name: "Job deleted, its pod still ends", now: 5, stops: true,
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, again: stopPatience},
		{name: "its node was given up in the last attempt, and the Job deleted", now: 500, attempt: 3, lost: true,
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, retry: true, repeat: true},
		{name: "told to stop", child: childJob(), now: 620, pod: stops,
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarting, again: 20 * time.Second},
		{name: "told to stop on a node that does not answer", child: childJob(), now: 640, pod: stops, attempt: 3,
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, says: "does not answer", giveUp: true},
		{name: "result committed from a node that does not answer", child: childJob(), now: 640, pod: stops, output: true,
			phase: v1alpha1.PhaseCompleted, reason: v1alpha1.ReasonCompleted},
		{name: "Job deleted in the last attempt", now: 5, attempt: 3,
			phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonJobDeleted},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := &v1alpha1.ProcessingJob{Status: v1alpha1.ProcessingJobStatus{
				Phase: v1alpha1.PhaseRunning, Attempts: max(c.attempt, 1),
			}}
			if c.managedBy != "" {
				job.Spec.ManagedBy = &c.managedBy
			}
			if c.output {
				job.Status.Output = &v1alpha1.Output{Files: []v1alpha1.File{{Name: "x", Size: ptr.To[int64](1)}}}
			}
			var complaint *corev1.Event
			if c.complaint != "" {
				complaint = &corev1.Event{Message: c.complaint}
			}
			got := decide(observation{
				job: job, child: c.child, pod: c.pod, complaint: complaint, stillStopping: c.stops, unreachable: c.lost, now: at(c.now).Time,
				policy: attemptPolicy{timeout: 600 * time.Second, pendingTimeout: 300 * time.Second, retries: 2},
			})
			if got.phase != c.phase || got.reason != c.reason || got.retry != c.retry || got.grow != c.grow ||
				got.giveUp != c.giveUp || got.repeat != c.repeat || got.again != c.again ||
				!strings.Contains(got.message, c.says) {
				t.Errorf("decided %+v", got)
			}
		})
	}
}

func TestMemoryAfter(t *testing.T) {
	for _, c := range []struct {
		own, had, ceiling string
		grow              bool
		want              string
	}{
		{own: "100Mi", had: "100Mi", ceiling: "1Gi", want: "<nil>"},
		{own: "100Mi", had: "100Mi", ceiling: "1Gi", grow: true, want: "200Mi"},
		{own: "100Mi", had: "200Mi", ceiling: "1Gi", want: "200Mi"},
		{own: "100Mi", had: "200Mi", ceiling: "300Mi", grow: true, want: "300Mi"},
		{own: "400Mi", had: "200Mi", ceiling: "1Gi", want: "<nil>"},
		{own: "512Mi", had: "512Mi", ceiling: "256Mi", grow: true, want: "<nil>"},
	} {
		limits := func(memory string) corev1.ResourceRequirements {
			return corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}}
		}
		processor := &v1alpha1.Processor{}
		processor.Spec.Container.Resources = limits(c.own)
		processor.Spec.Limits.MaxMemory = ptr.To(resource.MustParse(c.ceiling))
		previous := &batchv1.Job{}
		previous.Spec.Template.Spec.InitContainers = []corev1.Container{
			{Name: "fetch", Resources: limits("2Gi")}, {Name: "process", Resources: limits(c.had)}}
		if got := memoryAfter(processor, previous, c.grow).String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestExitCodeIsTheProcessors: of the others the message tells.
func TestExitCodeIsTheProcessors(t *testing.T) {
	evicted := podWith(ended("process", 137, "Error", "", 1, 2))
	evicted.Status.Reason = "Evicted"
	for _, c := range []struct {
		pod  *corev1.Pod
		want int32
	}{
		{podWith(ended("process", 7, "Error", "", 1, 2)), 7},
		{podWith(ended("fetch", 7, "Error", "", 1, 2)), 0},
		{evicted, 0},
	} {
		job := &v1alpha1.ProcessingJob{Status: v1alpha1.ProcessingJobStatus{Attempts: 1}}
		d := decide(observation{job: job, child: childJob(failedByPolicy), pod: c.pod, now: at(20).Time})
		if got := ptr.Deref(d.exitCode, 0); d.phase != v1alpha1.PhaseError || got != c.want {
			t.Errorf("%s: exit code %d, want %d", d.message, got, c.want)
		}
	}
}

// TestPodDeadlineIsBeyondTheManagers: a manager that is there is always first, and a replaced pod has all its time again.
func TestPodDeadlineIsBeyondTheManagers(t *testing.T) {
	job := &v1alpha1.ProcessingJob{Spec: v1alpha1.ProcessingJobSpec{
		TimeoutSeconds: ptr.To[int32](600), PendingTimeoutSeconds: ptr.To[int32](300)}}
	child := buildJob(job, &v1alpha1.Processor{}, nil, 1, nil, PodAccess{})
	if child.Spec.ActiveDeadlineSeconds != nil {
		t.Errorf("the Job has a deadline of %d s over all its pods", *child.Spec.ActiveDeadlineSeconds)
	}
	if got := ptr.Deref(child.Spec.Template.Spec.ActiveDeadlineSeconds, 0); got <= 600+2*300 {
		t.Errorf("a pod has %d s", got)
	}
}

func TestLastWordsKeepsTheEnd(t *testing.T) {
	got := lastWords(strings.Repeat("x", 9000) + "\xff the reason \n")
	if len(got) > maxMessage || !strings.HasSuffix(got, "\uFFFD the reason") {
		t.Errorf("kept %d bytes ending %q", len(got), got[len(got)-20:])
	}
}
