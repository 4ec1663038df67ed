package tracing

import (
	"context"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/podapi"
)

// Parse reads a traceparent. What is none gives a SpanContext that is not valid: it may come from anybody.
func Parse(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{podapi.HeaderTraceparent: traceparent}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// Format writes a traceparent, "" for a SpanContext that is not valid.
func Format(sc trace.SpanContext) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), carrier)
	return carrier[podapi.HeaderTraceparent]
}

// Of is the trace that a job, or what was made for it, belongs to.
func Of(o client.Object) trace.SpanContext {
	return Parse(o.GetAnnotations()[v1alpha1.AnnotationTraceparent])
}

// Example is the id of a trace for a histogram to name as one example: only of one that is kept, or it would lead nowhere.
func (t *Tracer) Example(sc trace.SpanContext) string {
	if t == nil || !sc.IsValid() || !sc.IsSampled() {
		return ""
	}
	return sc.TraceID().String()
}

// Log is the context's logger for a line about a job, with the job's id and, if it has one, its trace's.
func Log(ctx context.Context, job client.Object) logr.Logger {
	return log.FromContext(ctx).WithValues(LogValues(job.GetName(), Of(job))...)
}

// LogValues are the keys and values of a log line about a job.
func LogValues(job string, sc trace.SpanContext) []any {
	values := []any{"job", job}
	if sc.IsValid() {
		values = append(values, "trace_id", sc.TraceID().String())
	}
	return values
}
