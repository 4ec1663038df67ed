package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// writeStatus writes what change makes of the job's status, if that is anything new. The write is refused (IsConflict)
// when the job has changed since it was read.
func (r *Reconciler) writeStatus(ctx context.Context, job *v1alpha1.ProcessingJob,
	change func(*v1alpha1.ProcessingJobStatus),
) error {
	before := job.DeepCopy()
	change(&job.Status)
	fit(&job.Status)
	job.Status.ObservedGeneration = job.Generation
	if equality.Semantic.DeepEqual(before.Status, job.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Status().Patch(ctx, job, patch); err != nil {
		return fmt.Errorf("failed to write the status of ProcessingJob %s/%s: %w", job.Namespace, job.Name, err)
	}
	r.superseded.add(before)
	return nil
}

// fit shortens the messages of a status to what the API server accepts: a status that is refused is refused for ever.
func fit(s *v1alpha1.ProcessingJobStatus) {
	s.Message = shortened(s.Message)
	for i := range s.Conditions {
		s.Conditions[i].Message = shortened(s.Conditions[i].Message)
	}
}

func shortened(message string) string {
	if runes := []rune(message); len(runes) > v1alpha1.MaxMessageLength {
		return string(runes[:v1alpha1.MaxMessageLength-1]) + "…"
	}
	return message
}

// finish writes a final phase and, once that is durable, counts it and tells people. Nothing but a successful write of
// this transition raises a counter, so a job is counted once however often it is reconciled, and by whom.
func (r *Reconciler) finish(ctx context.Context, job *v1alpha1.ProcessingJob, d decision) error {
	now := metav1.NewTime(r.Clock.Now())
	ended := job.DeepCopy()
	ended.Status.CompletionTime = &now
	expires, err := r.expiry(ctx, ended)
	if err != nil {
		return err
	}
	err = r.writeStatus(ctx, job, func(s *v1alpha1.ProcessingJobStatus) {
		s.Phase, s.Reason, s.Message, s.ExitCode = d.phase, d.reason, d.message, d.exitCode
		s.CompletionTime, s.ExpirationTime = &now, &expires
		if s.StartTime != nil {
			s.Duration = now.Sub(s.StartTime.Time).Round(time.Second).String()
		}
		if d.started {
			setStarted(s, job.Generation, metav1.ConditionTrue, decision{reason: v1alpha1.ReasonStarted}, now.Time)
		}
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionFinished, Status: metav1.ConditionTrue, Reason: d.reason, Message: d.message,
			ObservedGeneration: job.Generation, LastTransitionTime: now,
		})
	})
	if err != nil {
		return err
	}
	r.Metrics.Finished(job, r.example(job))
	r.countAttempt(ctx, job, job.Status.Attempts, d)
	r.traceJob(job)
	// Not the message: it may have words of the process in it, and so of the file.
	tracing.Log(ctx, job).Info("finished", "phase", d.phase, "reason", d.reason,
		"attempts", job.Status.Attempts, "duration", job.Status.Duration)
	if d.phase != v1alpha1.PhaseCompleted {
		r.event(job, d.reason, "Finish", d.message)
	}
	return nil
}

// countAttempt counts the attempt that a decision ended, if it ended one, and sends its spans. Call it after the write that says so succeeded.
func (r *Reconciler) countAttempt(ctx context.Context, job *v1alpha1.ProcessingJob, attempt int32, d decision) {
	if d.outcome == "" {
		return
	}
	r.Metrics.Attempt(d.outcome)
	tracing.Log(ctx, job).Info("attempt ended", "attempt", attempt, "outcome", d.outcome)
	if d.startUp > 0 {
		r.Metrics.Started(d.startUp, r.example(job))
	}
	r.traceAttempt(job, attempt, d)
}

// event tells people of trouble; an event is never the only place where something can be read. What goes well costs no
// event: it would be a quarter of all that is written for a job, and says nothing that the status does not.
func (r *Reconciler) event(job *v1alpha1.ProcessingJob, reason, action, note string) {
	const maxNote = 1000 // the API server's limit is 1024 bytes
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote], "") + "…"
	}
	r.Events.Eventf(job, nil, corev1.EventTypeWarning, reason, action, "%s", note)
}
