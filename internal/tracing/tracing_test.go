package tracing

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

const (
	traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	another     = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

func TestWanted(t *testing.T) {
	const here = "http://collector:4317"
	for _, test := range []struct {
		env    map[string]string
		on     bool
		refuse string
	}{
		{env: nil},
		{env: map[string]string{endpoint: here}, on: true},
		{env: map[string]string{tracesEndpoint: here}, on: true},
		{env: map[string]string{endpoint: here, tracesExporter: "otlp", protocol: "grpc"}, on: true},
		{env: map[string]string{endpoint: here, tracesProtocol: "grpc", protocol: "http/protobuf"}, on: true},
		{env: map[string]string{endpoint: here, disabled: "TRUE"}},
		{env: map[string]string{endpoint: here, tracesExporter: "none"}},
		{env: map[string]string{endpoint: here, tracesExporter: "zipkin"}, refuse: tracesExporter},
		{env: map[string]string{endpoint: here, protocol: "http/protobuf"}, refuse: protocol},
		{env: map[string]string{endpoint: "collector:4317"}, refuse: endpoint},
		{env: map[string]string{endpoint: here, tracesEndpoint: "collector"}, refuse: tracesEndpoint},
		{env: map[string]string{tracesExporter: "otlp"}},
	} {
		on, err := wanted(func(name string) string { return test.env[name] })
		switch {
		case test.refuse == "" && err != nil, on != test.on:
			t.Errorf("%v: %v, %v", test.env, on, err)
		case test.refuse != "" && (err == nil || !strings.Contains(err.Error(), test.refuse)):
			t.Errorf("%v: %v, want an error about %s", test.env, err, test.refuse)
		}
	}
}

// TestNothingWithoutACollector: while tracing is off there is no Tracer, and what is called all the same allocates nothing.
func TestNothingWithoutACollector(t *testing.T) {
	for _, name := range []string{endpoint, tracesEndpoint} {
		t.Setenv(name, "")
	}
	tracer, err := Setup(t.Context(), "test", logr.Discard())
	if err != nil || tracer != nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	job := &v1alpha1.ProcessingJob{}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		request := RequestOf(ctx)
		request.About(job)
		if id := tracer.Example(request.SpanContext()); id != "" {
			t.Errorf("there is the trace %q", id)
		}
		request.End(http.StatusOK, "")
		tracer.Record(Of(job), Span{})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	tracer.Shutdown(ctx)
}

func TestParse(t *testing.T) {
	for _, bad := range []string{
		"", "x", "00", strings.Repeat("0", 1<<20), traceparent + "-00", traceparent[:54], "ff" + traceparent[2:],
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		strings.ToUpper(traceparent), strings.Replace(traceparent, "b7", "\n\x00", 1),
	} {
		if sc := Parse(bad); sc.IsValid() || Format(sc) != "" {
			t.Errorf("%.80q is the trace %s", bad, Format(sc))
		}
	}
	for _, good := range []string{traceparent, unsampled} {
		if got := Format(Parse(good)); got != good {
			t.Errorf("%s became %s", good, got)
		}
	}
}

func TestExample(t *testing.T) {
	tracer, _ := recorder(t)
	if got := tracer.Example(Parse(traceparent)); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("a trace that is kept has the id %q", got)
	}
	if got := tracer.Example(Parse(unsampled)); got != "" {
		t.Errorf("a trace that is not kept has the id %q", got)
	}
}

func TestLogValues(t *testing.T) {
	for value, want := range map[string][]any{
		traceparent: {"job", "a", "trace_id", "0af7651916cd43dd8448eb211c80319c"},
		"nonsense":  {"job", "a"},
	} {
		if got := LogValues("a", Parse(value)); !slices.Equal(got, want) {
			t.Errorf("of %q: %v, want %v", value, got, want)
		}
	}
}

// TestRecord: a span that is over has the id, the parent and the times that it is given.
func TestRecord(t *testing.T) {
	tracer, spans := recorder(t)
	from := time.Unix(1700000000, 0)
	id := SpanID("uid", "job")
	tracer.Record(Parse(traceparent), Span{Name: "job", ID: id, From: from, To: from.Add(time.Minute), Fault: "OutOfMemory"})
	tracer.Record(Parse(traceparent), Span{Name: "backwards", ID: SpanID("uid", "b"), From: from, To: from.Add(-time.Minute)})
	tracer.Record(Parse(unsampled), Span{Name: "unsampled", ID: SpanID("uid", "c"), From: from, To: from})
	tracer.Record(trace.SpanContext{}, Span{Name: "nowhere", ID: SpanID("uid", "d"), From: from, To: from})
	got := spans()
	if len(got) != 2 {
		t.Fatalf("%d spans, want 2: %v", len(got), got)
	}
	job := got["job"]
	if job.SpanContext().SpanID() != id || Format(job.Parent()) != traceparent || !job.StartTime().Equal(from) ||
		!job.EndTime().Equal(from.Add(time.Minute)) || job.Status().Description != "OutOfMemory" {
		t.Errorf("it is %+v", job)
	}
	if backwards := got["backwards"]; backwards.EndTime().Before(backwards.StartTime()) {
		t.Error("a span ends before it begins")
	}
}

func TestSpanIDs(t *testing.T) {
	seen := map[trace.SpanID]bool{}
	for _, parts := range [][]string{{"a"}, {"a", "b"}, {"ab"}, {"b", "a"}, {"a", "", "b"}} {
		id := SpanID(parts...)
		if !id.IsValid() || seen[id] || id != SpanID(parts...) {
			t.Errorf("%q has the id %s", parts, id)
		}
		seen[id] = true
	}
}

// TestRequest: where a request's span is, by what the client sends and what the request turns out to be about.
func TestRequest(t *testing.T) {
	for _, test := range []struct {
		what, client, job string
		early             bool // the span is asked for before the job is known
		parent, link      string
	}{
		{what: "neither"},
		{what: "the client's", client: traceparent, parent: traceparent},
		{what: "the job's", job: another, parent: another},
		{what: "the job's, linked to the client's", client: traceparent, job: another, parent: another, link: traceparent},
		{what: "one trace: the client's span is nearer", client: traceparent,
			job: strings.Replace(traceparent, "b7ad", "c8be", 1), parent: traceparent},
		{what: "begun already", client: traceparent, job: another, early: true, parent: traceparent},
		{what: "nonsense from both", client: "nonsense", job: "nonsense"},
	} {
		t.Run(test.what, func(t *testing.T) {
			tracer, spans := recorder(t)
			r := httptest.NewRequest(http.MethodGet, "/x/1", nil)
			r.Header.Set("traceparent", test.client)
			request, r := tracer.Request(r, "/x/{id}")
			if test.early {
				request.SpanContext()
			}
			job := &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{
				Name: "one", Annotations: map[string]string{v1alpha1.AnnotationTraceparent: test.job},
			}}
			RequestOf(r.Context()).About(job)
			RequestOf(r.Context()).About(job)
			request.End(http.StatusInternalServerError, "internal")
			span := spans()["GET /x/{id}"]
			link := ""
			for _, l := range span.Links() {
				link += Format(l.SpanContext)
			}
			if got := Format(span.Parent()); got != test.parent || link != test.link {
				t.Errorf("it is below %q, want %q, and linked to %q, want %q", got, test.parent, link, test.link)
			}
			jobs := 0
			for _, attribute := range span.Attributes() {
				if attribute.Key == JobKey {
					jobs++
				}
			}
			if jobs != 1 || span.Status().Description != "internal" {
				t.Errorf("it names %d jobs and has the status %+v", jobs, span.Status())
			}
		})
	}
}

// recorder returns a tracer, and the spans that it has made by their names.
func recorder(t *testing.T) (*Tracer, func() map[string]sdktrace.ReadOnlySpan) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	tracer, err := New(t.Context(), "test", exporter)
	if err != nil {
		t.Fatal(err)
	}
	return tracer, func() map[string]sdktrace.ReadOnlySpan {
		if err := tracer.provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		found := map[string]sdktrace.ReadOnlySpan{}
		for _, span := range exporter.GetSpans().Snapshots() {
			found[span.Name()] = span
		}
		return found
	}
}
