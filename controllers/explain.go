package controllers

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queueapi"
)

// Explain says why a job waits and for how long, on any replica: a standby's queue is warm.
func (r *Reconciler) Explain(ctx context.Context, name types.NamespacedName) (*queueapi.Waiting, error) {
	if !r.dispatcher.warm() {
		return nil, errors.New("the queue has not seen all jobs yet")
	}
	job := &v1alpha1.ProcessingJob{}
	switch err := r.cached.Get(ctx, name, job); {
	case apierrors.IsNotFound(err):
		return nil, queueapi.ErrNotWaiting
	case err != nil:
		return nil, err
	}
	if job.Status.Phase != v1alpha1.PhasePending && job.Status.Phase != "" || r.queue.Admitted(job.UID) {
		return nil, queueapi.ErrNotWaiting
	}
	why := r.queue.Explain(job)
	waiting := &queueapi.Waiting{Reason: why.Reason, Message: why.Message}
	if why.Position >= 0 {
		waiting.Position = ptr.To(why.Position)
		if why.Known {
			waiting.EstimateSeconds = ptr.To(why.Estimate.Seconds())
		}
	}
	return waiting, nil
}
