package controllers

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queue"
)

// reconcileWaiting handles a job in the queue. A job that waits for its turn is not written to; one that waits for
// something a person must do, or no longer does, says so.
func (r *Reconciler) reconcileWaiting(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	why := r.queue.Explain(job)
	if why.Reason != v1alpha1.ReasonProcessorNotFound {
		why.Reason, why.Message = v1alpha1.ReasonQueued, ""
	}
	return r.writeWaiting(ctx, job, why.Reason, why.Message)
}

func (r *Reconciler) writeWaiting(ctx context.Context, job *v1alpha1.ProcessingJob, reason, message string) error {
	if job.Status.Reason == reason {
		return nil
	}
	return r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
		s.Reason, s.Message = reason, message
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStarted)
	})
}

// reconcileSuspended stops a job that runs, which keeps the attempt, and says of a waiting one why it waits.
func (r *Reconciler) reconcileSuspended(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	child, attempt, err := r.latestAttempt(ctx, job)
	if err != nil {
		return err
	}
	if child != nil && jobFinished(child) && attempt == job.Status.Attempts {
		// It ended before it could be stopped; that counts, but no further attempt starts.
		o, err := r.observe(ctx, job)
		if o == nil || err != nil {
			return err
		}
		if d := decide(*o); d.phase.Finished() {
			return r.finish(ctx, job, d)
		}
	}
	stop := child != nil && !jobFinished(child)
	if stop && !queue.KueueManaged(job) {
		if err := r.suspendChild(ctx, child); err != nil {
			return err
		}
	}
	err = r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
		s.Phase, s.Reason, s.Message = v1alpha1.PhasePending, v1alpha1.ReasonSuspended, "spec.suspend is true"
		if child != nil {
			s.Attempts, s.JobName = attempt, child.Name
		}
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStarted)
	})
	if err == nil && stop && queue.KueueManaged(job) {
		// Kueue starts a suspended Job that it has admitted, so this one must go, once the status says that it was us.
		err = r.deleteChild(ctx, child)
	}
	return err
}

// suspendChild suspends a Job, which removes its pod.
func (r *Reconciler) suspendChild(ctx context.Context, child *batchv1.Job) error {
	if ptr.Deref(child.Spec.Suspend, false) {
		return nil
	}
	before := child.DeepCopy()
	child.Spec.Suspend = ptr.To(true)
	if err := r.Patch(ctx, child, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("failed to suspend Job %s/%s: %w", child.Namespace, child.Name, err)
	}
	return nil
}

// latestAttempt finds the Job of the attempt that was started last and the attempt's number, whether or not the status
// knows of it yet: a suspension may come between creating a Job and saying so. nil: there is none.
func (r *Reconciler) latestAttempt(ctx context.Context, job *v1alpha1.ProcessingJob) (*batchv1.Job, int32, error) {
	next, err := r.unrecordedAttempt(ctx, job)
	if next != nil || err != nil {
		return next, job.Status.Attempts + 1, err
	}
	if job.Status.Attempts == 0 {
		return nil, 0, nil
	}
	child, err := r.child(ctx, job)
	return child, job.Status.Attempts, err
}
