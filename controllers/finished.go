package controllers

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
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
	expires, err := r.expiry(ctx, job)
	if err != nil {
		return ctrl.Result{}, err
	}
	if left := due(job, expires).Sub(r.Clock.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, r.writeExpiry(ctx, job, expires)
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
	return r.deleteChild(ctx, child)
}

// deleteChild deletes a Job and, by owner reference, its pods.
func (r *Reconciler) deleteChild(ctx context.Context, child *batchv1.Job) error {
	err := r.Delete(ctx, child, client.Preconditions{UID: &child.UID},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to stop Job %s/%s: %w", child.Namespace, child.Name, err)
	}
	return nil
}

// expiry is when the retention of a finished job ends: its own, or its Processor's as that was when the job finished.
func (r *Reconciler) expiry(ctx context.Context, job *v1alpha1.ProcessingJob) (metav1.Time, error) {
	seconds := job.Spec.TTLSecondsAfterFinished
	if seconds == nil && job.Status.ExpirationTime != nil {
		return *job.Status.ExpirationTime, nil
	}
	if seconds == nil {
		processor, err := r.processor(ctx, job)
		if err != nil {
			return metav1.Time{}, err
		}
		seconds = processor.Spec.Defaults.TTLSecondsAfterFinished
	}
	ttl := time.Duration(ptr.Deref(seconds, v1alpha1.DefaultTTLSecondsAfterFinished)) * time.Second
	return metav1.NewTime(ptr.Deref(job.Status.CompletionTime, job.CreationTimestamp).Add(ttl)), nil
}

// writeExpiry keeps the status in step with spec.ttlSecondsAfterFinished, which may change after the end. A job that
// finished under a version that did not record it is left alone: there may be very many.
func (r *Reconciler) writeExpiry(ctx context.Context, job *v1alpha1.ProcessingJob, expires metav1.Time) error {
	if job.Status.ExpirationTime == nil || job.Status.ExpirationTime.Equal(&expires) {
		return nil
	}
	return r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) { s.ExpirationTime = &expires })
}

// expire deletes the job if that is still due on a fresh read: its retention may have been lengthened, or the name may
// belong to another job by now.
func (r *Reconciler) expire(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	live := &v1alpha1.ProcessingJob{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(job), live); err != nil {
		return client.IgnoreNotFound(err)
	}
	expires, err := r.expiry(ctx, live)
	if err != nil {
		return err
	}
	if live.UID != job.UID || !live.Status.Phase.Finished() || r.Clock.Now().Before(due(live, expires)) {
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
	tracing.Log(ctx, job).Info("expired", "expirationTime", expires)
	return nil
}

// due is when a job whose retention ends then may be deleted. One whose webhook is still to be told is kept for that:
// nothing else remembers it.
func due(job *v1alpha1.ProcessingJob, expires metav1.Time) time.Time {
	if job.WebhookPending() {
		patience := ptr.Deref(job.Status.CompletionTime, job.CreationTimestamp).Add(v1alpha1.WebhookPatience)
		if patience.After(expires.Time) {
			return patience
		}
	}
	return expires.Time
}
