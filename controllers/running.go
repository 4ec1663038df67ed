package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/internal/slim"
)

// reconcileRunning follows an admitted job's current attempt.
func (r *Reconciler) reconcileRunning(ctx context.Context, job *v1alpha1.ProcessingJob) (ctrl.Result, error) {
	o, err := r.observe(ctx, job)
	if o == nil || err != nil {
		return ctrl.Result{}, err
	}
	d := decide(*o)
	if o.child == nil || jobFinished(o.child) {
		next, err := r.unrecordedAttempt(ctx, job)
		if err != nil {
			return ctrl.Result{}, err
		}
		if next != nil {
			return ctrl.Result{}, r.recordAttempt(ctx, job, next, d)
		}
	}
	if d.giveUp {
		if err := r.writeStarted(ctx, job, d); err != nil {
			return ctrl.Result{}, err
		}
		return ctrl.Result{}, r.deleteChild(ctx, o.child) // its end brings another look
	}
	return r.carryOut(ctx, job, d)
}

// recordAttempt says in the status that the next attempt runs, and counts the one before, which d ended: whoever created
// the Job could do neither.
func (r *Reconciler) recordAttempt(ctx context.Context, job *v1alpha1.ProcessingJob, next *batchv1.Job, d decision) error {
	ended := job.Status.Attempts
	if err := r.writeRunning(ctx, job, ended+1, next.Name, ""); err != nil {
		return err
	}
	r.countAttempt(ctx, job, ended, d)
	return nil
}

// unrecordedAttempt finds the Job of a next attempt that the status does not know of: its manager was stopped between
// creating the Job and saying so. nil: there is none.
func (r *Reconciler) unrecordedAttempt(ctx context.Context, job *v1alpha1.ProcessingJob) (*batchv1.Job, error) {
	return r.cachedChild(ctx, job, childname.ForAttempt(job, job.Status.Attempts+1))
}

// observe gathers what decide needs. nil without an error: the cache is behind, and what it lacks is on its way.
func (r *Reconciler) observe(ctx context.Context, job *v1alpha1.ProcessingJob) (*observation, error) {
	o := &observation{job: job, now: r.Clock.Now()}
	pods, err := r.pods(ctx, job)
	if err != nil {
		return nil, err
	}
	if o.child, err = r.child(ctx, job); err != nil {
		return nil, err
	}
	if o.child == nil {
		return r.observeLost(ctx, o, pods)
	}
	o.policy = attemptPolicyOf(o.child)
	o.pod = newestPod(pods, o.child)
	if !o.impatient() {
		return o, nil
	}
	var stuck client.Object = o.child
	if o.pod != nil {
		stuck = o.pod
	}
	o.complaint, err = r.lastWarning(ctx, stuck)
	return o, err
}

// observeLost completes the observation of a job whose Job is gone. The cache of the job itself may be just as late as
// that of the Job, so it is read afresh.
func (r *Reconciler) observeLost(ctx context.Context, o *observation, pods []corev1.Pod) (*observation, error) {
	live := &v1alpha1.ProcessingJob{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(o.job), live); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if live.ResourceVersion != o.job.ResourceVersion {
		return nil, nil
	}
	processor, err := r.processor(ctx, o.job)
	if err != nil {
		return nil, err
	}
	o.policy = resolvePolicy(o.job, processor)
	o.stillStopping, o.unreachable = stopping(pods, o.now)
	return o, nil
}

func (r *Reconciler) carryOut(ctx context.Context, job *v1alpha1.ProcessingJob, d decision) (ctrl.Result, error) {
	if d.phase.Finished() {
		return ctrl.Result{}, r.finish(ctx, job, d)
	}
	if d.retry {
		ended := job.Status.Attempts
		attempt := ended + 1
		if d.repeat {
			attempt = ended
		}
		result, err := r.startAttempt(ctx, job, attempt, d.grow)
		switch {
		case err != nil:
			return ctrl.Result{}, err
		case job.Status.Attempts > ended:
			r.event(job, v1alpha1.ReasonRetrying, "Retry", d.message)
		case !job.Status.Phase.Finished():
			return result, nil // it may not start yet, or does not count
		}
		r.countAttempt(ctx, job, ended, d)
		return result, nil
	}
	return ctrl.Result{RequeueAfter: d.again}, r.writeStarted(ctx, job, d)
}

// writeStarted says in the status why an attempt does not start, or why the next one waits, that it has started, and that
// neither holds any more. An attempt that ends within a moment costs no write here.
func (r *Reconciler) writeStarted(ctx context.Context, job *v1alpha1.ProcessingJob, d decision) error {
	told := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionStarted)
	trouble := d.reason != v1alpha1.ReasonStarting && d.reason != v1alpha1.ReasonStarted
	switch {
	case told == nil && !trouble && !d.started:
		return nil
	case told != nil && job.Status.Reason == d.reason && told.Reason == d.reason:
		return nil // the wording of a kubelet's complaint changes at every try; one is enough
	}
	err := r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
		s.Reason, s.Message, s.ExitCode = d.reason, d.message, d.exitCode
		switch {
		case trouble:
			setStarted(s, job.Generation, metav1.ConditionFalse, d, r.Clock.Now())
		case d.reason == v1alpha1.ReasonStarted:
			setStarted(s, job.Generation, metav1.ConditionTrue, d, r.Clock.Now())
		default:
			meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStarted)
		}
	})
	if err == nil && trouble {
		r.event(job, d.reason, "Start", d.message)
	}
	return err
}

func setStarted(s *v1alpha1.ProcessingJobStatus, generation int64, to metav1.ConditionStatus, d decision, now time.Time) {
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionStarted, Status: to, Reason: d.reason, Message: d.message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
	})
}

// child reads the Job of the current attempt, first from the cache, and past it when it is not there. nil: it is gone.
func (r *Reconciler) child(ctx context.Context, job *v1alpha1.ProcessingJob) (*batchv1.Job, error) {
	child, err := r.cachedChild(ctx, job, job.Status.JobName)
	if child == nil && err == nil {
		child, err = r.liveChild(ctx, job, job.Status.JobName)
	}
	if child == nil || err != nil || child.DeletionTimestamp != nil {
		return nil, err
	}
	return child, nil
}

// cachedChild reads what the cache has of one of the job's Jobs. nil: none of that name, or it belongs to another.
func (r *Reconciler) cachedChild(ctx context.Context, job *v1alpha1.ProcessingJob, name string) (*batchv1.Job, error) {
	child := &slim.Job{}
	err := r.cached.Get(ctx, client.ObjectKey{Namespace: job.Namespace, Name: name}, child)
	if err != nil || !metav1.IsControlledBy(child, job) {
		return nil, client.IgnoreNotFound(err)
	}
	return child.Whole(), nil
}

// liveChild reads one of the job's Jobs past the cache, with all its fields. nil: none of that name, or it belongs to
// another.
func (r *Reconciler) liveChild(ctx context.Context, job *v1alpha1.ProcessingJob, name string) (*batchv1.Job, error) {
	child := &batchv1.Job{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: job.Namespace, Name: name}, child)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("failed to read Job %s/%s: %w", job.Namespace, name, err)
	case !metav1.IsControlledBy(child, job):
		return nil, nil
	}
	return child, nil
}

// pods lists the pods of all attempts.
func (r *Reconciler) pods(ctx context.Context, job *v1alpha1.ProcessingJob) ([]corev1.Pod, error) {
	list := &slim.PodList{}
	err := r.cached.List(ctx, list, client.InNamespace(job.Namespace), client.MatchingFields{podsByOwner: string(job.UID)})
	if err != nil {
		return nil, fmt.Errorf("failed to list the pods of ProcessingJob %s/%s: %w", job.Namespace, job.Name, err)
	}
	pods := make([]corev1.Pod, len(list.Items))
	for i := range list.Items {
		pods[i] = *list.Items[i].Whole()
	}
	return pods, nil
}

// newestPod is the pod of an attempt that matters: after a disruption the one before it may still be listed.
func newestPod(pods []corev1.Pod, child *batchv1.Job) *corev1.Pod {
	var newest *corev1.Pod
	for i := range pods {
		pod := &pods[i]
		if metav1.IsControlledBy(pod, child) &&
			(newest == nil || newest.CreationTimestamp.Before(&pod.CreationTimestamp)) {
			newest = pod
		}
	}
	return newest
}

// processor reads the job's Processor; an empty one when it is gone, whose defaults are then the API's.
func (r *Reconciler) processor(ctx context.Context, job *v1alpha1.ProcessingJob) (*v1alpha1.Processor, error) {
	p := &v1alpha1.Processor{Spec: v1alpha1.ProcessorSpec{Defaults: v1alpha1.ProcessorDefaults{
		TimeoutSeconds: v1alpha1.DefaultTimeoutSeconds, PendingTimeoutSeconds: v1alpha1.DefaultPendingTimeoutSeconds,
	}}}
	err := r.Get(ctx, client.ObjectKey{Namespace: job.Namespace, Name: job.Spec.Processor}, p)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("failed to read Processor %s/%s: %w", job.Namespace, job.Spec.Processor, err)
	}
	return p, nil
}

// lastWarning reads the latest warning about an object. Some of what keeps a pod from starting stands nowhere else.
func (r *Reconciler) lastWarning(ctx context.Context, about client.Object) (*corev1.Event, error) {
	list := &corev1.EventList{}
	err := r.Live.List(ctx, list, client.InNamespace(about.GetNamespace()), client.MatchingFieldsSelector{
		Selector: fields.SelectorFromSet(fields.Set{
			"involvedObject.uid": string(about.GetUID()), "type": corev1.EventTypeWarning,
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("failed to read the events of %s/%s: %w", about.GetNamespace(), about.GetName(), err)
	}
	var last *corev1.Event
	for i := range list.Items {
		// "Error: ErrImagePull" follows the event that says which image and why.
		if e := &list.Items[i]; !strings.HasPrefix(e.Message, "Error: ") &&
			(last == nil || last.LastTimestamp.Before(&e.LastTimestamp)) {
			last = e
		}
	}
	return last, nil
}
