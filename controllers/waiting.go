package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// reconcileWaiting handles a job in the queue. A job that waits for its turn is not written to; one that waits for
// something a person must do, or no longer does, says so.
func (r *Reconciler) reconcileWaiting(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	why := r.queue.Explain(job)
	if why.Reason != v1alpha1.ReasonProcessorNotFound {
		why.Reason, why.Message = v1alpha1.ReasonQueued, ""
	}
	if job.Status.Reason == why.Reason {
		return nil
	}
	return r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
		s.Reason, s.Message = why.Reason, why.Message
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStarted)
	})
}

// reconcileSuspended stops a job that runs, by suspending its Job, which removes the pod and keeps the attempt; and
// says of a waiting one why it waits.
func (r *Reconciler) reconcileSuspended(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	if job.Status.Attempts > 0 {
		child, err := r.child(ctx, job)
		if err != nil {
			return err
		}
		if child != nil && jobFinished(child) {
			// It ended before it could be stopped; that counts, but no further attempt starts.
			o, err := r.observe(ctx, job)
			if o == nil || err != nil {
				return err
			}
			if d := decide(*o); d.phase.Finished() {
				return r.finish(ctx, job, d)
			}
		}
		if child != nil && !jobFinished(child) && !ptr.Deref(child.Spec.Suspend, false) {
			before := child.DeepCopy()
			child.Spec.Suspend = ptr.To(true)
			if err := r.Patch(ctx, child, client.MergeFrom(before)); err != nil {
				return err
			}
		}
	}
	return r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
		s.Phase, s.Reason, s.Message = v1alpha1.PhasePending, v1alpha1.ReasonSuspended, "spec.suspend is true"
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStarted)
	})
}
