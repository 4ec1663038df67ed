package controllers

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
)

// exit codes of the process (and of fetch) that say the input is at fault: another attempt would end the same way. The
// range is that of sysexits.h.
const (
	inputAtFaultMin = 64
	inputAtFaultMax = 78
)

// failure is how a container ended an attempt.
type failure struct {
	container string // empty when the pod ended without saying which
	exitCode  int32
	oomKilled bool
	evicted   bool // the kubelet ended the pod, which is the pod's fault where that counts as a failure at all
	message   string
}

func (f failure) inputAtFault() bool {
	return (f.container == containerProcess || f.container == containerFetch) &&
		f.exitCode >= inputAtFaultMin && f.exitCode <= inputAtFaultMax
}

// reason is the final reason of a job whose last attempt failed so.
func (f failure) reason() string {
	switch {
	case f.inputAtFault():
		return v1alpha1.ReasonInputRejected
	case f.oomKilled:
		return v1alpha1.ReasonOutOfMemory
	case f.container == containerFetch:
		return v1alpha1.ReasonFetchFailed
	case f.container == containerStore:
		return v1alpha1.ReasonStoreFailed
	}
	return v1alpha1.ReasonProcessorFailed
}

func (f failure) outcome() metrics.AttemptOutcome {
	switch {
	case f.inputAtFault():
		return metrics.AttemptInputRejected
	case f.oomKilled:
		return metrics.AttemptOutOfMemory
	}
	return metrics.AttemptFailed
}

// sentence says it for people, ending with the container's own words.
func (f failure) sentence() string {
	var what string
	switch {
	case f.evicted:
		what = "the pod was evicted"
	case f.oomKilled:
		what = fmt.Sprintf("%s ran out of memory", f.container)
	case f.container == "":
		what = "the pod failed"
	default:
		what = fmt.Sprintf("%s ended with exit code %d", f.container, f.exitCode)
	}
	if f.message == "" {
		return what
	}
	return what + ": " + f.message
}

// findFailure reads how an attempt failed from its pod, or, when the pod is gone or says nothing, from the Job's
// condition: pods can be deleted before anybody reads them.
func findFailure(child *batchv1.Job, pod *corev1.Pod) failure {
	if pod != nil {
		for _, status := range ourStatuses(pod) {
			ended := status.State.Terminated
			if ended == nil || ended.ExitCode == 0 {
				continue
			}
			f := failure{
				container: status.Name,
				exitCode:  ended.ExitCode,
				oomKilled: ended.Reason == "OOMKilled",
				message:   lastWords(ended.Message),
			}
			if pod.Status.Reason == "Evicted" {
				f.evicted, f.message = true, pod.Status.Message // how the container died of it says nothing
			}
			return f
		}
	}
	condition := jobCondition(child, batchv1.JobFailed)
	if condition == nil {
		condition = jobCondition(child, batchv1.JobFailureTarget)
	}
	if condition == nil {
		return failure{}
	}
	if m := policyMessage.FindStringSubmatch(condition.Message); m != nil && ours(m[1]) {
		if code, err := strconv.ParseInt(m[2], 10, 32); err == nil {
			return failure{container: m[1], exitCode: int32(code)}
		}
	}
	if pod != nil && pod.Status.Message != "" {
		return failure{message: pod.Status.Message}
	}
	return failure{message: condition.Message}
}

// policyMessage is what the Job controller writes when a rule of the podFailurePolicy ended a Job
// (k8s.io/kubernetes/pkg/controller/job/pod_failure_policy.go).
var policyMessage = regexp.MustCompile(`^Container (\S+) for pod \S+ failed with exit code (\d+) `)

// maxMessage keeps a processor's words within what the status accepts, with room for ours.
const maxMessage = 3500

// lastWords is a termination message made fit for a status: valid text of limited length, its end rather than its
// beginning, because it may be the tail of a log whose last line says what went wrong.
func lastWords(message string) string {
	message = strings.TrimSpace(strings.ToValidUTF8(message, "\uFFFD"))
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[len(message)-maxMessage:], "")
	}
	return message
}

// processorWords is what the process said in its termination message when it succeeded.
func processorWords(pod *corev1.Pod) string {
	if pod == nil {
		return ""
	}
	for _, status := range ourStatuses(pod) {
		if status.Name == containerProcess && status.State.Terminated != nil {
			return lastWords(status.State.Terminated.Message)
		}
	}
	return ""
}

// containerStatuses lists a pod's containers in the order in which they run.
func containerStatuses(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

// ourStatuses are those of fetch, process and store: what was injected beside them is not asked how an attempt went.
func ourStatuses(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.DeleteFunc(containerStatuses(pod), func(s corev1.ContainerStatus) bool { return !ours(s.Name) })
}

func ours(container string) bool {
	return container == containerFetch || container == containerProcess || container == containerStore
}

// podRuns tells whether a pod has not ended yet, as far as the API server knows.
func podRuns(pod *corev1.Pod) bool {
	return pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// stopPatience is how long after its grace period a pod that was told to stop may take to do so, before its node is given
// up.
const stopPatience = time.Minute

// givenUp tells whether a pod should have stopped long ago: its node does not answer, or cannot stop it. It may run on
// there; only one of a job's pods can commit a result.
func givenUp(pod *corev1.Pod, now time.Time) bool {
	return pod.DeletionTimestamp != nil && podRuns(pod) && now.Sub(pod.DeletionTimestamp.Time) >= stopPatience
}

// stopping tells of the pods whose Job is gone whether one of them is still to be waited for, and whether one was given up.
func stopping(pods []corev1.Pod, now time.Time) (wait, unreachable bool) {
	for i := range pods {
		switch pod := &pods[i]; {
		case givenUp(pod, now):
			unreachable = true
		case podRuns(pod):
			wait = true
		}
	}
	return wait, unreachable
}

// progress is how far a pod has come.
type progress struct {
	// busySince is set while a container runs or once the process has run: the run deadline counts from then. What fetch
	// took counts, what the pod waited between the two does not.
	busySince time.Time
	// idleSince is when the pod began to wait for its next container, if it waits.
	idleSince time.Time
	// processStarted is when the process itself started, zero before.
	processStarted time.Time
}

// podProgress reads a pod. A pod waits as long as its process has not started and nothing runs: for a node, for an
// image, for a volume. Time that fetch spends working is not waiting.
func podProgress(pod *corev1.Pod, since time.Time) progress {
	p := progress{idleSince: since}
	if pod == nil {
		return p
	}
	var spent time.Duration
	for _, status := range ourStatuses(pod) {
		running, ended := status.State.Running, status.State.Terminated
		switch {
		case status.Name == containerProcess && running != nil:
			p.processStarted = running.StartedAt.Time
		case status.Name == containerProcess && ended != nil:
			p.processStarted = ended.StartedAt.Time
		case status.Name != containerFetch: // store follows the process
		case running != nil:
			p.busySince = running.StartedAt.Time
		case ended != nil:
			spent += ended.FinishedAt.Sub(ended.StartedAt.Time)
			if ended.FinishedAt.After(p.idleSince) {
				p.idleSince = ended.FinishedAt.Time
			}
		}
	}
	if !p.processStarted.IsZero() {
		p.busySince = p.processStarted.Add(-spent)
	}
	return p
}

// podTrouble says why a pod cannot go on, as a reason of the closed list and a sentence, or "" when it is just starting.
func podTrouble(pod *corev1.Pod) (reason, message string) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse &&
			condition.Reason == corev1.PodReasonUnschedulable {
			return v1alpha1.ReasonUnschedulable, "no node can take the pod: " + condition.Message
		}
	}
	for _, status := range containerStatuses(pod) {
		waiting := status.State.Waiting
		if waiting == nil {
			continue
		}
		switch waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
			"RegistryUnavailable", "SignatureValidationFailed":
			return v1alpha1.ReasonImagePull,
				fmt.Sprintf("the image %s of %s cannot be pulled: %s", status.Image, status.Name, waiting.Message)
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return v1alpha1.ReasonContainerSetup,
				fmt.Sprintf("%s cannot be started: %s", status.Name, waiting.Message)
		}
	}
	return "", ""
}

func jobCondition(child *batchv1.Job, of batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range child.Status.Conditions {
		if c := &child.Status.Conditions[i]; c.Type == of && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

func jobFinished(child *batchv1.Job) bool {
	return jobCondition(child, batchv1.JobComplete) != nil || jobCondition(child, batchv1.JobFailed) != nil
}
