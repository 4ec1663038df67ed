package controllers

import (
	"context"
	"fmt"
	"time"

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
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/internal/parameters"
	"bricklayers.dev/bricklayers/internal/queue"
)

// reconcileAdmitted starts a job whose turn has come: its first attempt, or the one it was suspended in.
func (r *Reconciler) reconcileAdmitted(ctx context.Context, job *v1alpha1.ProcessingJob) (ctrl.Result, error) {
	if job.Status.Attempts == 0 {
		return r.startAttempt(ctx, job, 1, false)
	}
	child, err := r.child(ctx, job)
	if err != nil {
		return ctrl.Result{}, err
	}
	if child == nil {
		return r.startAttempt(ctx, job, job.Status.Attempts+1, false)
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

// startAttempt creates the Job of an attempt, with more memory than the one before if it is to grow, and, once that is
// certain, says so in the status. The name is the lock: it is made from the job's UID and the attempt, so whoever comes
// second finds the Job there.
func (r *Reconciler) startAttempt(ctx context.Context, job *v1alpha1.ProcessingJob, attempt int32, grow bool) (ctrl.Result, error) {
	processor := &v1alpha1.Processor{}
	key := client.ObjectKey{Namespace: job.Namespace, Name: job.Spec.Processor}
	if err := r.Get(ctx, key, processor); apierrors.IsNotFound(err) {
		return r.withoutProcessor(ctx, job)
	} else if err != nil {
		return ctrl.Result{}, err
	}
	values, err := parameters.Resolve(processor, job.Spec.Parameters)
	if err != nil {
		return ctrl.Result{}, r.finish(ctx, job, decision{phase: v1alpha1.PhaseError,
			reason: v1alpha1.ReasonInvalidParameters, message: err.Error()})
	}
	memory, err := r.nextMemory(ctx, job, processor, attempt, grow)
	if err != nil {
		return ctrl.Result{}, err
	}
	child := buildJob(job, processor, values, attempt, memory, r.Access)
	if r.Tracer != nil {
		carryTrace(child, job, attempt)
	}
	switch err := r.Create(ctx, child); {
	case apierrors.IsAlreadyExists(err):
		existing, err := r.existing(ctx, child)
		if err != nil || existing.DeletionTimestamp != nil {
			return ctrl.Result{}, err // its end brings another look
		}
		if !metav1.IsControlledBy(existing, job) {
			return ctrl.Result{}, r.finish(ctx, job, decision{phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonNameConflict,
				message: "a Job named " + child.Name + " exists and belongs to another; delete it and create this job again"})
		}
	case apierrors.IsInvalid(err):
		return ctrl.Result{}, r.finish(ctx, job, decision{phase: v1alpha1.PhaseError, reason: v1alpha1.ReasonJobRefused,
			message: "the API server refused the Job: " + err.Error()})
	case apierrors.IsForbidden(err) || apierrors.IsBadRequest(err):
		return r.jobNotAllowed(ctx, job, resolvePolicy(job, processor).pendingTimeout, err)
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("failed to create Job %s/%s: %w", child.Namespace, child.Name, err)
	}
	message := ""
	if grow && memory != nil {
		message = "the attempt before ran out of memory; this one may use " + memory.String()
	}
	if queue.KueueManaged(job) {
		return ctrl.Result{}, r.writeLeftToKueue(ctx, job, attempt, child.Name)
	}
	return ctrl.Result{}, r.writeRunning(ctx, job, attempt, child.Name, message)
}

// jobNotAllowed waits for a quota or an admission webhook that does not let the Job be to change its mind, for as long
// as an attempt may take to start. It is said once; each try is made later than the one before.
func (r *Reconciler) jobNotAllowed(ctx context.Context, job *v1alpha1.ProcessingJob, allowed time.Duration, why error,
) (ctrl.Result, error) {
	now := r.Clock.Now()
	message := "the Job cannot be created: " + why.Error()
	told := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionStarted)
	if told == nil || job.Status.Reason != v1alpha1.ReasonPodNotCreated {
		err := r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
			s.Reason, s.Message = v1alpha1.ReasonPodNotCreated, message
			meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStarted) // its time is since when this holds
			setStarted(s, job.Generation, metav1.ConditionFalse, decision{reason: s.Reason, message: message}, now)
		})
		if err == nil {
			r.event(job, v1alpha1.ReasonPodNotCreated, "Start", message)
		}
		return ctrl.Result{RequeueAfter: min(allowed, patience)}, err
	}
	waited := now.Sub(told.LastTransitionTime.Time)
	if waited >= allowed {
		return ctrl.Result{}, r.finish(ctx, job, decision{phase: v1alpha1.PhaseTimeout, reason: v1alpha1.ReasonNotStarted,
			message: fmt.Sprintf("the attempt did not start within the allowed %s: %s", allowed, message)})
	}
	return ctrl.Result{RequeueAfter: min(allowed-waited, nextLook(waited))}, nil
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

// withoutProcessor puts a job that was never started back into the queue, and ends one between two attempts. One left to
// Kueue is in no queue that the Processor's coming would wake it from, so it is looked at again.
func (r *Reconciler) withoutProcessor(ctx context.Context, job *v1alpha1.ProcessingJob) (ctrl.Result, error) {
	switch {
	case job.Status.Attempts > 0:
		return ctrl.Result{}, r.finish(ctx, job, decision{phase: v1alpha1.PhaseError,
			reason:  v1alpha1.ReasonProcessorNotFound,
			message: "the Processor " + job.Spec.Processor + " was deleted before another attempt could start"})
	case queue.KueueManaged(job):
		return ctrl.Result{RequeueAfter: nextLook(r.Clock.Since(job.CreationTimestamp.Time))},
			r.writeWaiting(ctx, job, v1alpha1.ReasonProcessorNotFound, queue.ProcessorNotFound(job.Spec.Processor))
	}
	r.queue.Release(job.UID)
	r.dispatcher.Wake()
	return ctrl.Result{}, r.reconcileWaiting(ctx, job)
}

// existing reads the Job of that name past the cache: the cache holds our own Jobs only, and may be late.
func (r *Reconciler) existing(ctx context.Context, child *batchv1.Job) (*metav1.PartialObjectMetadata, error) {
	existing := &metav1.PartialObjectMetadata{}
	existing.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(child), existing); err != nil {
		return nil, fmt.Errorf("failed to read the existing Job %s/%s: %w", child.Namespace, child.Name, err)
	}
	return existing, nil
}

// nextMemory is the memory limit of the process in an attempt, when it differs from the Processor's. The limit of the
// attempt before is read from its Job, past the cache, which does not keep it.
func (r *Reconciler) nextMemory(ctx context.Context, job *v1alpha1.ProcessingJob, processor *v1alpha1.Processor,
	attempt int32, grow bool,
) (*resource.Quantity, error) {
	if attempt == 1 || processor.Spec.Limits.MaxMemory == nil {
		return nil, nil
	}
	previous, err := r.liveChild(ctx, job, childname.ForAttempt(job, attempt-1))
	if previous == nil || err != nil {
		return nil, err
	}
	return memoryAfter(processor, previous, grow), nil
}

// memoryAfter keeps what the attempt before had, and doubles it up to the Processor's maxMemory after an attempt that ran
// out of memory. nil: the Processor's own limit.
func memoryAfter(processor *v1alpha1.Processor, previous *batchv1.Job, grow bool) *resource.Quantity {
	own, limited := processor.Spec.Container.Resources.Limits[corev1.ResourceMemory]
	if !limited {
		return nil
	}
	limit := own
	for _, container := range previous.Spec.Template.Spec.InitContainers {
		if had := container.Resources.Limits.Memory(); container.Name == containerProcess && had.Cmp(limit) > 0 {
			limit = *had
		}
	}
	if grow {
		doubled := limit.DeepCopy()
		doubled.Add(limit)
		if ceiling := *processor.Spec.Limits.MaxMemory; doubled.Cmp(ceiling) > 0 {
			doubled = ceiling
		}
		if doubled.Cmp(limit) > 0 {
			limit = doubled
		}
	}
	if limit.Cmp(own) == 0 {
		return nil
	}
	return &limit
}
