package controllers

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/podapi"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// The spans of a job are made when what they tell of is over, from the statuses of the job, its Jobs and pods, after the
// write that says so: whichever manager writes it sends them, once, and none has to remember anything. Their ids are made
// from the job's UID, so that a span knows its parent's before that is made. Job pods may have no network but to the
// gateway, so what their containers did is told from here as well.

// example is the trace that an observation about a job is an example of, "" where there is none.
func (r *Reconciler) example(job *v1alpha1.ProcessingJob) string {
	if r.Tracer == nil {
		return ""
	}
	return r.Tracer.Example(tracing.Of(job))
}

func jobSpan(job *v1alpha1.ProcessingJob) trace.SpanID {
	return tracing.SpanID(string(job.UID), "job")
}

func attemptSpan(job *v1alpha1.ProcessingJob, attempt int32) trace.SpanID {
	return tracing.SpanID(string(job.UID), "attempt", strconv.Itoa(int(attempt)))
}

func containerSpan(job *v1alpha1.ProcessingJob, attempt int32, container string) trace.SpanID {
	return tracing.SpanID(string(job.UID), "attempt", strconv.Itoa(int(attempt)), container)
}

// carryTrace has a Job, its pod and each container say which span stands for them: in the annotation, and in the
// environment as OpenTelemetry's environment carrier has it.
func carryTrace(child *batchv1.Job, job *v1alpha1.ProcessingJob, attempt int32) {
	sc := tracing.Of(job)
	if !sc.IsValid() {
		return
	}
	traceparent := tracing.Format(sc.WithSpanID(attemptSpan(job, attempt)))
	child.Annotations[v1alpha1.AnnotationTraceparent] = traceparent
	template := &child.Spec.Template
	template.Annotations = maps.Clone(template.Annotations) // they are the Processor's
	if template.Annotations == nil {
		template.Annotations = map[string]string{}
	}
	template.Annotations[v1alpha1.AnnotationTraceparent] = traceparent
	for _, containers := range [][]corev1.Container{template.Spec.InitContainers, template.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			span := sc.WithSpanID(containerSpan(job, attempt, c.Name))
			// First, so that a Processor's own variable of the name has its way.
			c.Env = slices.Insert(c.Env, 0, corev1.EnvVar{Name: podapi.EnvTraceparent, Value: tracing.Format(span)})
		}
	}
}

// traceJob sends the spans of a job that is finished and of its time in the queue. Call it after that was written.
func (r *Reconciler) traceJob(job *v1alpha1.ProcessingJob) {
	if r.Tracer == nil {
		return
	}
	sc, status := tracing.Of(job), &job.Status
	created, ended := job.CreationTimestamp.Time, status.CompletionTime.Time
	id := jobSpan(job)
	fault := ""
	if status.Phase != v1alpha1.PhaseCompleted {
		fault = status.Reason
	}
	r.Tracer.Record(sc, tracing.Span{
		Name: "job", ID: id, From: created, To: ended, Fault: fault,
		Attributes: append(aboutJob(job), tracing.PhaseKey.String(string(status.Phase)), tracing.ReasonKey.String(status.Reason)),
	})
	admitted := ended // if it never was
	if status.StartTime != nil {
		admitted = status.StartTime.Time
	}
	r.Tracer.Record(sc.WithSpanID(id), tracing.Span{
		Name: "queue", ID: tracing.SpanID(string(job.UID), "queue"), From: created, To: admitted, Attributes: aboutJob(job),
	})
}

func aboutJob(job *v1alpha1.ProcessingJob) []attribute.KeyValue {
	return []attribute.KeyValue{
		tracing.JobKey.String(job.Name), semconv.K8SNamespaceName(job.Namespace), tracing.ProcessorKey.String(job.Spec.Processor),
	}
}

// traceAttempt sends the spans of an attempt that a decision ended and of its containers. Call it after that was written.
func (r *Reconciler) traceAttempt(job *v1alpha1.ProcessingJob, attempt int32, d decision) {
	if r.Tracer == nil {
		return
	}
	sc, id := tracing.Of(job), attemptSpan(job, attempt)
	from, to := r.attemptTimes(job, d)
	fault := ""
	if d.outcome != metrics.AttemptSucceeded {
		fault = string(d.outcome)
	}
	about := append(aboutJob(job), tracing.AttemptKey.Int(int(attempt)))
	r.Tracer.Record(sc.WithSpanID(jobSpan(job)), tracing.Span{
		Name: "attempt", ID: id, From: from, To: to, Fault: fault,
		Attributes: append(slices.Clone(about), tracing.OutcomeKey.String(string(d.outcome))),
	})
	if d.pod == nil {
		return
	}
	about = append(about, semconv.K8SPodName(d.pod.Name), semconv.K8SPodUID(string(d.pod.UID)))
	for _, status := range containerStatuses(d.pod) {
		span := tracing.Span{Name: status.Name, ID: containerSpan(job, attempt, status.Name), Attributes: about}
		if describeRun(&span, &status.State, to) {
			r.Tracer.Record(sc.WithSpanID(id), span)
		}
	}
}

// attemptTimes are when an attempt began and ended, as far as what it left tells.
func (r *Reconciler) attemptTimes(job *v1alpha1.ProcessingJob, d decision) (from, to time.Time) {
	to = r.Clock.Now().Truncate(time.Second) // as precise as what the API server keeps
	if job.Status.CompletionTime != nil {
		to = job.Status.CompletionTime.Time
	}
	from = to
	if d.child == nil {
		return from, to
	}
	for _, end := range []batchv1.JobConditionType{batchv1.JobComplete, batchv1.JobFailed} {
		if condition := jobCondition(d.child, end); condition != nil {
			to = condition.LastTransitionTime.Time
		}
	}
	return d.child.CreationTimestamp.Time, to
}

// describeRun puts into a span when a container ran and how it ended, and tells whether it ran at all. One that still runs
// when its attempt is over is stopped then.
func describeRun(span *tracing.Span, state *corev1.ContainerState, attemptEnded time.Time) bool {
	switch ended := state.Terminated; {
	case ended != nil && !ended.StartedAt.IsZero():
		span.From, span.To = ended.StartedAt.Time, ended.FinishedAt.Time
		span.Attributes = append(slices.Clone(span.Attributes), semconv.ProcessExitCode(int(ended.ExitCode)))
		if ended.ExitCode != 0 {
			span.Fault = ended.Reason
		}
	case state.Running != nil:
		span.From, span.To, span.Fault = state.Running.StartedAt.Time, attemptEnded, "stopped"
	default:
		return false
	}
	return true
}
