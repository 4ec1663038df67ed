package tracing

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Request is the span of an HTTP request. Its trace may turn out late: a download belongs to that of its job, which has to
// be found first. So the span begins when somebody asks for it, at the latest with its end, and says that it began when the
// request came. Its methods do nothing on nil, which is what a request has while tracing is off.
type Request struct {
	tracer     trace.Tracer
	name       string
	came       time.Time
	client     trace.SpanContext // of the client's span, where it sent one
	joined     trace.SpanContext // of the trace that the request turned out to belong to
	about      bool              // a job, that is known
	attributes []attribute.KeyValue
	span       trace.Span // nil until it has begun
}

type requestKey struct{}

// Request returns the span of a request, and the request with a context by which RequestOf finds it.
func (t *Tracer) Request(r *http.Request, route string) (*Request, *http.Request) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	request := &Request{
		tracer: t.tracer, name: r.Method + " " + route, came: time.Now(), client: trace.SpanContextFromContext(ctx),
		attributes: []attribute.KeyValue{semconv.HTTPRoute(route), semconv.HTTPRequestMethodKey.String(r.Method)},
	}
	return request, r.WithContext(context.WithValue(r.Context(), requestKey{}, request))
}

// RequestOf returns the span of the request that a context is of, or nil.
func RequestOf(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}

// About says which job the request is about, and makes it a part of the job's trace if it has not begun.
func (r *Request) About(job client.Object) {
	if r == nil || r.about {
		return
	}
	r.about = true
	r.attributes = append(r.attributes, JobKey.String(job.GetName()), semconv.K8SNamespaceName(job.GetNamespace()))
	r.Join(Of(job))
}

// Join makes the request a part of a trace; once the span has begun it is where it is.
func (r *Request) Join(sc trace.SpanContext) {
	if r != nil && sc.IsValid() {
		r.joined = sc
	}
}

// SpanContext begins the span if it has not begun.
func (r *Request) SpanContext() trace.SpanContext {
	if r == nil {
		return trace.SpanContext{}
	}
	if r.span == nil {
		r.begin()
	}
	return r.span.SpanContext()
}

// begin begins the span below the client's, unless the request has turned out to belong to another trace: then that is
// where it is, with a link to the client's.
func (r *Request) begin() {
	options := []trace.SpanStartOption{trace.WithTimestamp(r.came), trace.WithSpanKind(trace.SpanKindServer)}
	parent := r.client
	if r.joined.IsValid() && r.joined.TraceID() != r.client.TraceID() {
		parent = r.joined
		if r.client.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: r.client}))
		}
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	_, r.span = r.tracer.Start(ctx, r.name, options...)
}

// End ends the span with the status of the answer and what it says is wrong, in one word.
func (r *Request) End(status int, reason string) {
	if r == nil {
		return
	}
	r.SpanContext()
	r.span.SetAttributes(append(r.attributes, semconv.HTTPResponseStatusCode(status))...)
	if status >= http.StatusInternalServerError {
		r.span.SetStatus(codes.Error, reason)
	}
	if reason != "" {
		r.span.SetAttributes(semconv.ErrorTypeKey.String(reason))
	}
	r.span.End()
}
