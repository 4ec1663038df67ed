package controllers

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/parameters"
	"bricklayers.dev/bricklayers/internal/queue"
)

// reconcileAdmitted starts a job whose turn has come: its first attempt, or the one it was suspended in.
func (r *Reconciler) reconcileAdmitted(ctx context.Context, job *v1alpha1.ProcessingJob) (ctrl.Result, error) {
	if job.Status.Attempts == 0 {
		return ctrl.Result{}, r.startAttempt(ctx, job, 1, nil)
	}
	child, err := r.child(ctx, job)
	if err != nil {
		return ctrl.Result{}, err
	}
	if child == nil {
		return ctrl.Result{}, r.startAttempt(ctx, job, job.Status.Attempts+1, nil)
	}
	if ptr.Deref(child.Spec.Suspend, false) {
		before := child.DeepCopy()
		child.Spec.Suspend = ptr.To(false)
		if err := r.Patch(ctx, child, client.MergeFrom(before)); err != nil {
			return ctrl.Result{}, fmt.Errorf("failed to resume Job %s/%s: %w", child.Namespace, child.Name, err)
		}
	}
	return ctrl.Result{}, r.writeRunning(ctx, job, job.Status.Attempts, child.Name, "resumed")
}

// startAttempt creates the Job of an attempt and, once that is certain, says so in the status. The name is the lock: it
// is made from the job's UID and the attempt, so whoever comes second finds the Job there.
func (r *Reconciler) startAttempt(ctx context.Context, job *v1alpha1.ProcessingJob, attempt int32,
	previous *batchv1.Job,
) error {
	processor := &v1alpha1.Processor{}
	key := client.ObjectKey{Namespace: job.Namespace, Name: job.Spec.Processor}
	if err := r.Get(ctx, key, processor); apierrors.IsNotFound(err) {
		return r.withoutProcessor(ctx, job, attempt)
	} else if err != nil {
		return err
	}
	values, err := parameters.Resolve(processor, job.Spec.Parameters)
	if err != nil {
		return r.finish(ctx, job, decision{phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonInvalidParameters,
			message: err.Error()})
	}
	memory := nextMemory(processor, previous)
	child := buildJob(job, processor, values, attempt, memory, r.Access)
	if r.Tracer != nil {
		carryTrace(child, job, attempt)
	}
	switch err := r.Create(ctx, child); {
	case apierrors.IsAlreadyExists(err):
		ours, err := r.isOurs(ctx, job, child)
		if err != nil {
			return err
		}
		if !ours {
			return r.finish(ctx, job, decision{phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonNameConflict,
				message: "a Job named " + child.Name + " exists and belongs to another; delete it and create this job again"})
		}
	case apierrors.IsInvalid(err):
		return r.finish(ctx, job, decision{phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonJobRefused,
			message: "the API server refused the Job: " + err.Error()})
	case err != nil:
		return fmt.Errorf("failed to create Job %s/%s: %w", child.Namespace, child.Name, err)
	}
	if queue.KueueManaged(job) {
		return r.writeLeftToKueue(ctx, job, attempt, child.Name)
	}
	message := ""
	if memory != nil {
		message = "the attempt before ran out of memory; this one may use " + memory.String()
	}
	return r.writeRunning(ctx, job, attempt, child.Name, message)
}

func (r *Reconciler) writeRunning(ctx context.Context, job *v1alpha1.ProcessingJob, attempt int32, child, message string,
) error {
	now := metav1.NewTime(r.Clock.Now())
	return r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
		s.Phase, s.Reason, s.Message = v1alpha1.PhaseRunning, v1alpha1.ReasonStarting, message
		s.Attempts, s.JobName, s.ExitCode = attempt, child, nil
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStarted) // it spoke of the attempt before
		if s.StartTime == nil {
			s.StartTime = &now
		}
	})
}

// withoutProcessor puts a job that was never started back into the queue, and ends one between two attempts.
func (r *Reconciler) withoutProcessor(ctx context.Context, job *v1alpha1.ProcessingJob, attempt int32) error {
	if attempt == 1 {
		r.queue.Release(job.UID) // a job left to Kueue has no place to give back
		r.dispatcher.Wake()
		return r.reconcileWaiting(ctx, job)
	}
	return r.finish(ctx, job, decision{phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonProcessorNotFound,
		message: "the Processor " + job.Spec.Processor + " was deleted before another attempt could start"})
}

// isOurs reads the Job of that name past the cache: the cache holds our own Jobs only, and may be late.
func (r *Reconciler) isOurs(ctx context.Context, job *v1alpha1.ProcessingJob, child *batchv1.Job) (bool, error) {
	existing := &metav1.PartialObjectMetadata{}
	existing.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(child), existing); err != nil {
		return false, fmt.Errorf("failed to read the existing Job %s/%s: %w", child.Namespace, child.Name, err)
	}
	return metav1.IsControlledBy(existing, job), nil
}

// nextMemory doubles the memory limit of the process after an attempt that ran out of memory, up to the Processor's
// maxMemory. nil: the Processor's own limit.
func nextMemory(processor *v1alpha1.Processor, previous *batchv1.Job) *resource.Quantity {
	ceiling := processor.Spec.Limits.MaxMemory
	if previous == nil || ceiling == nil {
		return nil
	}
	for _, container := range previous.Spec.Template.Spec.InitContainers {
		limit, limited := container.Resources.Limits[corev1.ResourceMemory]
		if container.Name != containerProcess || !limited {
			continue
		}
		limit.Add(limit)
		if limit.Cmp(*ceiling) > 0 {
			limit = ceiling.DeepCopy()
		}
		return &limit
	}
	return nil
}
