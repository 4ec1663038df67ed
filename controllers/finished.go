package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// reconcileFinished stops what still runs for a finished job, and deletes the job once it is past its retention.
func (r *Reconciler) reconcileFinished(ctx context.Context, job *v1alpha1.ProcessingJob) (ctrl.Result, error) {
	if err := r.stopChild(ctx, job); err != nil {
		return ctrl.Result{}, err
	}
	ttl, err := r.ttl(ctx, job)
	if err != nil {
		return ctrl.Result{}, err
	}
	if left := expiry(job, ttl).Sub(r.Clock.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	return ctrl.Result{}, r.expire(ctx, job)
}

// stopChild deletes a Job that runs on although its ProcessingJob is finished: the deadline passed, or the manager that
// wrote the final phase was stopped before it could do this.
func (r *Reconciler) stopChild(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	// The cache is enough: a Job that it does not show yet brings another reconcile when it does.
	child, err := r.cachedChild(ctx, job, job.Status.JobName)
	if child == nil || err != nil || child.DeletionTimestamp != nil || jobFinished(child) {
		return err
	}
	err = r.Delete(ctx, child, client.Preconditions{UID: &child.UID},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to stop Job %s/%s: %w", child.Namespace, child.Name, err)
	}
	return nil
}

// ttl is how long a finished job is kept.
func (r *Reconciler) ttl(ctx context.Context, job *v1alpha1.ProcessingJob) (time.Duration, error) {
	seconds := job.Spec.TTLSecondsAfterFinished
	if seconds == nil {
		processor, err := r.processor(ctx, job)
		if err != nil {
			return 0, err
		}
		seconds = processor.Spec.Defaults.TTLSecondsAfterFinished
	}
	return time.Duration(ptr.Deref(seconds, v1alpha1.DefaultTTLSecondsAfterFinished)) * time.Second, nil
}

// expire deletes the job if that is still due on a fresh read: its retention may have been lengthened, or the name may
// belong to another job by now.
func (r *Reconciler) expire(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	live := &v1alpha1.ProcessingJob{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(job), live); err != nil {
		return client.IgnoreNotFound(err)
	}
	ttl, err := r.ttl(ctx, live)
	if err != nil {
		return err
	}
	if live.UID != job.UID || !live.Status.Phase.Finished() || r.Clock.Now().Before(expiry(live, ttl)) {
		return nil
	}
	err = r.Delete(ctx, live,
		client.Preconditions{UID: &live.UID, ResourceVersion: &live.ResourceVersion},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("failed to delete the expired ProcessingJob %s/%s: %w", job.Namespace, job.Name, err)
	}
	tracing.Log(ctx, job).Info("expired", "ttlSeconds", ttl.Seconds())
	return nil
}

// expiry is when a job is past its retention. One whose webhook is still to be told is kept for that: nothing else
// remembers it.
func expiry(job *v1alpha1.ProcessingJob, ttl time.Duration) time.Time {
	if job.WebhookPending() {
		ttl = max(ttl, v1alpha1.WebhookPatience)
	}
	return ptr.Deref(job.Status.CompletionTime, job.CreationTimestamp).Add(ttl)
}
