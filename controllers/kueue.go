package controllers

import (
	"context"
	"maps"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queue"
)

// reconcileKueue follows a job that is left to Kueue. Its Job is created suspended and labelled, as Kueue expects of any
// batch/v1 Job; Kueue starts it by taking the suspension off and evicts it by putting it on again
// (kueue.sigs.k8s.io/docs/tasks/run/jobs). Everything else is as for other jobs.
func (r *Reconciler) reconcileKueue(ctx context.Context, job *v1alpha1.ProcessingJob) (ctrl.Result, error) {
	if job.Status.Attempts == 0 {
		return r.startAttempt(ctx, job, 1, false)
	}
	if job.Status.Phase == v1alpha1.PhasePending && job.Status.Reason == v1alpha1.ReasonSuspended {
		return r.resumeKueue(ctx, job)
	}
	child, err := r.child(ctx, job)
	if err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case child != nil && !jobFinished(child) && ptr.Deref(child.Spec.Suspend, false):
		return ctrl.Result{}, r.writeLeftToKueue(ctx, job, job.Status.Attempts, child.Name)
	case child != nil && job.Status.Phase == v1alpha1.PhasePending && !jobFinished(child):
		return ctrl.Result{}, r.writeRunning(ctx, job, job.Status.Attempts, child.Name, "admitted by Kueue")
	}
	return r.reconcileRunning(ctx, job)
}

// resumeKueue starts the attempt that a suspension stopped anew, once nothing of it is left: its Job was deleted, which
// does not count.
func (r *Reconciler) resumeKueue(ctx context.Context, job *v1alpha1.ProcessingJob) (ctrl.Result, error) {
	child, err := r.liveChild(ctx, job, job.Status.JobName) // the cache may still show what was deleted
	if err != nil {
		return ctrl.Result{}, err
	}
	if child != nil && child.DeletionTimestamp == nil {
		return ctrl.Result{}, r.writeLeftToKueue(ctx, job, job.Status.Attempts, child.Name) // it was not, after all
	}
	pods, err := r.pods(ctx, job)
	if err != nil {
		return ctrl.Result{}, err
	}
	if wait, _ := stopping(pods, r.Clock.Now()); wait || child != nil {
		return ctrl.Result{RequeueAfter: stopPatience}, nil // or its end, which brings another look
	}
	return r.startAttempt(ctx, job, job.Status.Attempts, false)
}

func (r *Reconciler) writeLeftToKueue(ctx context.Context, job *v1alpha1.ProcessingJob, attempt int32, child string) error {
	return r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
		s.Phase, s.Reason = v1alpha1.PhasePending, v1alpha1.ReasonKueue
		s.Message = "left to the Kueue queue " + job.Labels[queue.KueueLabel]
		s.Attempts, s.JobName, s.ExitCode = attempt, child, nil
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStarted)
	})
}

// leaveToKueue makes a Job one that Kueue manages: suspended, with all the labels that speak to Kueue.
func leaveToKueue(child *batchv1.Job, job *v1alpha1.ProcessingJob) {
	child.Spec.Suspend = ptr.To(true)
	child.Labels = maps.Clone(child.Labels)
	for label, value := range job.Labels {
		if strings.HasPrefix(label, "kueue.x-k8s.io/") {
			child.Labels[label] = value
		}
	}
}
