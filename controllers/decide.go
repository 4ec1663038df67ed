package controllers

import (
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
)

// observation is everything that a decision about an admitted job is based on. Nothing here remembers what an earlier
// reconcile thought.
type observation struct {
	job   *v1alpha1.ProcessingJob
	child *batchv1.Job // of the current attempt; nil when it is gone, which a live read has proven
	pod   *corev1.Pod  // newest of the child; nil when there is none
	// policy is what the attempt was started with.
	policy attemptPolicy
	// stillStopping is set while a pod of an attempt whose Job is gone has not ended, and unreachable when such a pod is
	// on a node that was given up.
	stillStopping, unreachable bool
	// complaint is the latest warning about what waits: from the Job controller while there is no pod, else from the
	// kubelet. nil: none was looked for, or there is none.
	complaint *corev1.Event
	now       time.Time
}

// decision is what to do with an admitted job.
type decision struct {
	// phase is Running while the job goes on, else its final phase.
	phase    v1alpha1.Phase
	reason   string
	message  string
	exitCode *int32
	// retry starts the next attempt.
	retry bool
	// giveUp deletes the Job, whose pod's node does not answer, and repeat starts it again: that does not count.
	giveUp, repeat bool
	// outcome is how the attempt ended, when this decision ends it.
	outcome metrics.AttemptOutcome
	// startUp is how long that attempt took from its Job to its process; 0 when it never got so far, or left no pod to
	// read it from.
	startUp time.Duration
	// child and pod are what that attempt left, each nil when it left none.
	child *batchv1.Job
	pod   *corev1.Pod
	// started is set when the status should say that the attempt has: its process has run for a while, or did run before
	// the attempt ended.
	started bool
	// grow asks for more memory in the next attempt.
	grow bool
	// again is when to look again although nothing changed; zero: only when something does.
	again time.Duration
}

// resultGrace is how long after its Job completed a job may lack its result: the gateway writes the result to the
// status before store ends, but two watches deliver in no particular order.
const resultGrace = 30 * time.Second

// decide is the whole lifecycle of an admitted job.
func decide(o observation) decision {
	d := decideOutcome(o)
	d.child, d.pod = o.child, o.pod
	if d.outcome != "" && o.child != nil && o.pod != nil {
		if started := podProgress(o.pod, o.waitingSince()).processStarted; !started.IsZero() {
			d.startUp = started.Sub(o.child.CreationTimestamp.Time)
		}
	}
	if d.phase.Finished() {
		d.started = d.phase == v1alpha1.PhaseCompleted || d.startUp > 0
	}
	return d
}

func decideOutcome(o observation) decision {
	d := decideAttempt(o)
	over := o.child == nil || jobFinished(o.child) || d.phase.Finished() || d.giveUp
	if o.job.Status.Output != nil && over {
		// A committed result is the truth whatever became of the pods that made it.
		return decision{phase: v1alpha1.PhaseCompleted, reason: v1alpha1.ReasonCompleted, message: processorWords(o.pod),
			outcome: metrics.AttemptSucceeded}
	}
	return d
}

func decideAttempt(o observation) decision {
	switch {
	case o.child == nil:
		return o.lost()
	case jobCondition(o.child, batchv1.JobComplete) != nil:
		return o.withoutResult()
	case jobCondition(o.child, batchv1.JobFailed) != nil:
		return o.failed()
	}
	return o.active()
}

// lost: the Job was deleted, by us when its pod's node did not answer, else by somebody.
func (o observation) lost() decision {
	if o.unreachable && !o.stillStopping {
		return decision{phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, message: nodeLost, retry: true, repeat: true}
	}
	const message = "the Job was deleted by somebody else"
	if o.job.Status.Attempts > o.policy.retries {
		return decision{phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonJobDeleted, message: message,
			outcome: metrics.AttemptLost}
	}
	d := decision{phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, message: message}
	if o.stillStopping {
		d.again = stopPatience // or the end of that pod, which brings another look
		return d
	}
	d.retry, d.outcome = true, metrics.AttemptLost
	return d
}

// withoutResult: every container ended with 0 but no result is committed.
func (o observation) withoutResult() decision {
	left := resultGrace - o.now.Sub(jobCondition(o.child, batchv1.JobComplete).LastTransitionTime.Time)
	if left > 0 {
		return decision{phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarted, again: left}
	}
	return decision{phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonResultMissing,
		message: "the pod ended well but committed no result", outcome: metrics.AttemptFailed}
}

func (o observation) failed() decision {
	condition := jobCondition(o.child, batchv1.JobFailed)
	if pastDeadline(condition, o.pod) {
		return decision{phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonDeadlineExceeded,
			message: "the attempt exceeded all its deadlines together", outcome: metrics.AttemptTimeout}
	}
	f := findFailure(o.child, o.pod)
	d := decision{message: f.sentence(), outcome: f.outcome()}
	if f.container == containerProcess && !f.evicted {
		d.exitCode = &f.exitCode
	}
	if f.inputAtFault() || o.job.Status.Attempts > o.policy.retries {
		d.phase, d.reason = v1alpha1.PhaseError, f.reason()
		return d
	}
	d.phase, d.reason = v1alpha1.PhaseRunning, v1alpha1.ReasonRetrying
	wait := retryDelay(o.job.Status.Attempts) - o.now.Sub(condition.LastTransitionTime.Time)
	if wait > 0 {
		d.again = wait
		return d
	}
	d.retry, d.grow = true, f.oomKilled && f.container == containerProcess
	return d
}

// elsewhere tells whether another controller runs the Job and no pod of it is to be seen. It may be in another cluster, as
// MultiKueue's are: what counts is what the Job's conditions say, and the pod's own deadline holds there.
func (o observation) elsewhere() bool {
	return o.pod == nil && ptr.Deref(o.job.Spec.ManagedBy, batchv1.JobControllerName) != batchv1.JobControllerName
}

// pastDeadline tells whether Kubernetes ended the attempt: its pod for its activeDeadlineSeconds (the kubelet gives that
// reason), or its Job, which had that field in v0.1.0.
func pastDeadline(failed *batchv1.JobCondition, pod *corev1.Pod) bool {
	return failed.Reason == batchv1.JobReasonDeadlineExceeded || pod != nil && pod.Status.Reason == "DeadlineExceeded"
}

// resuming tells whether the Job was resumed and its controller has not come to it yet: what there is of times and pods is
// from before the suspension. The controller resets the condition and the Job's start in one write.
func (o observation) resuming() bool { return jobCondition(o.child, batchv1.JobSuspended) != nil }

// retryDelay doubles from 2 s to a minute: a fault that another attempt can mend is rarely gone at once.
func retryDelay(attempt int32) time.Duration {
	const first, longest = 2 * time.Second, time.Minute
	return min(first<<min(attempt-1, 5), longest)
}

func (o observation) active() decision {
	if o.resuming() || o.elsewhere() {
		return decision{phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarting}
	}
	if o.pod != nil && o.pod.DeletionTimestamp != nil && podRuns(o.pod) {
		return o.stopping()
	}
	p := podProgress(o.pod, o.waitingSince())
	if !p.busySince.IsZero() {
		left := o.policy.timeout - o.now.Sub(p.busySince)
		if left <= 0 {
			return decision{phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonDeadlineExceeded,
				message: fmt.Sprintf("the attempt ran longer than the allowed %s", o.policy.timeout),
				outcome: metrics.AttemptTimeout}
		}
		d := decision{phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarted, again: left}
		if !p.processStarted.IsZero() {
			// A process that ends within a moment costs no write for having begun.
			untilSaid := patience - o.now.Sub(p.processStarted)
			if d.started = untilSaid <= 0; !d.started {
				d.again = min(left, untilSaid)
			}
		}
		return d
	}
	reason, message := o.trouble()
	left := o.policy.pendingTimeout - o.now.Sub(p.idleSince)
	if left <= 0 {
		d := decision{phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonNotStarted,
			message: fmt.Sprintf("the pod did not start within the allowed %s", o.policy.pendingTimeout),
			outcome: metrics.AttemptTimeout}
		if message != "" {
			d.message += ": " + message
		}
		return d
	}
	again := min(left, nextLook(o.now.Sub(p.idleSince)))
	return decision{phase: v1alpha1.PhaseRunning, reason: reason, message: message, again: again}
}

// nextLook is after how long to look again at what has waited so long: the longer, the less often, since a look costs
// requests.
func nextLook(waited time.Duration) time.Duration { return max(patience, min(waited, 10*patience)) }

const nodeLost = "the node of the attempt's pod does not answer; it is started again elsewhere, which does not count"

// stopping: somebody has the pod stop. It is replaced when it has, unless its node does not answer any more: the Job would
// wait for that for ever, and the pod's time is no measure of the attempt.
func (o observation) stopping() decision {
	if givenUp(o.pod, o.now) {
		return decision{phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRetrying, message: nodeLost, giveUp: true}
	}
	return decision{phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonStarting,
		again: stopPatience - o.now.Sub(o.pod.DeletionTimestamp.Time)}
}

// patience is how long an attempt may wait without saying why before its events are read for the reason. A Job does not
// say in its status that its pod was refused; nor does a pod that a volume is missing, or, for a while, an image.
const patience = 3 * time.Second

// impatient tells whether the attempt has waited so long that its events should be read.
func (o observation) impatient() bool {
	if jobFinished(o.child) || o.resuming() || o.elsewhere() || o.pod != nil && o.pod.DeletionTimestamp != nil {
		return false
	}
	if o.pod != nil {
		if reason, _ := podTrouble(o.pod); reason != "" {
			return false
		}
	}
	p := podProgress(o.pod, o.waitingSince())
	return p.busySince.IsZero() && o.now.Sub(p.idleSince) >= patience
}

// trouble says why an attempt does not start, as a reason of the closed list and a sentence.
func (o observation) trouble() (reason, message string) {
	if o.pod != nil {
		if reason, message := podTrouble(o.pod); reason != "" {
			return reason, message
		}
	}
	switch {
	case o.complaint == nil:
		return v1alpha1.ReasonStarting, ""
	case o.pod == nil:
		return v1alpha1.ReasonPodNotCreated, "the pod cannot be created: " + o.complaint.Message
	case strings.Contains(o.complaint.Message, "pull image"):
		return v1alpha1.ReasonImagePull, o.complaint.Message
	}
	return v1alpha1.ReasonContainerSetup, o.complaint.Message
}

// waitingSince is when the attempt began to wait for its pod: when its Job was created or resumed, or when the pod that
// replaces a disrupted one was.
func (o observation) waitingSince() time.Time {
	since := o.child.CreationTimestamp.Time
	if o.child.Status.StartTime != nil && o.child.Status.StartTime.After(since) {
		since = o.child.Status.StartTime.Time
	}
	if o.pod != nil && o.pod.CreationTimestamp.After(since) {
		since = o.pod.CreationTimestamp.Time
	}
	return since
}
