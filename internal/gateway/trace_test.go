package gateway

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/tracing"
	"bricklayers.dev/bricklayers/test/collector"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceID + "-b7ad6b7169203331-01"
)

// newTracedFixture is newFixture with tracing on. sent returns the spans when all requests are over.
func newTracedFixture(t *testing.T) (f *fixture, sent func() []collector.Span) {
	t.Helper()
	f = newFixture(t, interceptor.Funcs{})
	spans := collector.Start(t)
	f.Tracer = spans.Tracer(t)
	f.server.Config.Handler = f.Handler(true)
	return f, func() []collector.Span {
		f.Tracer.Shutdown(t.Context())
		return spans.Spans()
	}
}

// wantSpans compares the paths of spans, all of which must be in one trace, which is the job's if there is one.
func wantSpans(t *testing.T, got []collector.Span, want []string, jobs []v1alpha1.ProcessingJob) {
	t.Helper()
	if paths := collector.Paths(got); !slices.Equal(paths, want) {
		t.Fatalf("the spans are %q, want %q", paths, want)
	}
	for _, s := range got {
		if string(s.GetTraceId()) != string(got[0].GetTraceId()) {
			t.Errorf("%s is in another trace", s.GetName())
		}
	}
	for i := range jobs {
		id := tracing.Of(&jobs[i]).TraceID()
		if string(id[:]) != string(got[0].GetTraceId()) {
			t.Errorf("the job says %q", jobs[i].Annotations)
		}
	}
}

// TestResumableUploadIsOneTrace, although a client sends no more than the address from one request to the next.
func TestResumableUploadIsOneTrace(t *testing.T) {
	f, sent := newTracedFixture(t)
	content := print(200)
	address := f.mustBegin(len(content), namedA)
	for _, piece := range [][2]int{{0, 1000}, {1000, len(content)}} {
		if a := f.patch(address, piece[0], strings.NewReader(content[piece[0]:piece[1]])); a.status != 204 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	a := f.head(address)
	f.wantOneJob(content, a.header.Get("Upload-Job-Id"))
	const begun = "POST /api/v1/uploads/"
	const one = begun + " > %s /api/v1/uploads/{upload_id}"
	wantSpans(t, sent(), []string{
		begun, strings.Replace(one, "%s", "HEAD", 1), strings.Replace(one, "%s", "PATCH", 1), strings.Replace(one, "%s", "PATCH", 1),
	}, f.jobs())
}

func TestRepeatedUploadIsInTheTraceOfTheFirst(t *testing.T) {
	f, sent := newTracedFixture(t)
	for range 2 {
		if a := f.uploadWithKey(print(50), key); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	wantSpans(t, sent(), []string{"POST /api/v1/upload", "POST /api/v1/upload > POST /api/v1/upload"}, f.jobs())
}

// TestRefusedUploadIsASpan that says why, and is no error of the gateway's.
func TestRefusedUploadIsASpan(t *testing.T) {
	f, sent := newTracedFixture(t)
	a := f.do(http.MethodPost, "/api/v1/upload?name=a.stl", strings.NewReader("solid"), "traceparent", traceparent)
	if a.status != http.StatusUnsupportedMediaType {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.do(http.MethodGet, "/healthz", nil)
	got := sent()
	wantSpans(t, got, []string{"POST /api/v1/upload"}, f.jobs())
	if reason := got[0].Attribute("error.type"); reason != a.reason() || got[0].GetStatus().GetMessage() != "" {
		t.Errorf("it says %q and %v", reason, got[0].GetStatus())
	}
	if len(f.jobs()) != 0 {
		t.Error("it made a job")
	}
}

// TestSpanOfAPanic: a handler that ends by a panic ends its span, too.
func TestSpanOfAPanic(t *testing.T) {
	spans := collector.Start(t)
	tracer := spans.Tracer(t)
	rt := newRouter(metrics.NewGateway(prometheus.NewRegistry(), nil), tracer)
	rt.handleTraced("GET /x/{$}", func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) })
	func() {
		defer func() { _ = recover() }()
		rt.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x/", nil))
	}()
	tracer.Shutdown(t.Context())
	if got := collector.Paths(spans.Spans()); !slices.Equal(got, []string{"GET /x/"}) {
		t.Errorf("the spans are %q", got)
	}
}

// TestNothingIsWrappedWhileTracingIsOff: a handler is called as it is, and a request costs no allocation more.
func TestNothingIsWrappedWhileTracingIsOff(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(http.StatusNoContent); return nil }
	allocations := func(handle func(*router)) float64 {
		rt := newRouter(metrics.NewGateway(prometheus.NewRegistry(), nil), nil)
		handle(rt)
		request := httptest.NewRequest(http.MethodGet, "/x", nil)
		request.Header.Set("traceparent", traceparent)
		w := httptest.NewRecorder()
		return testing.AllocsPerRun(100, func() { rt.ServeHTTP(w, request) })
	}
	plain := allocations(func(rt *router) { rt.handle("GET /x", answer) })
	traced := allocations(func(rt *router) { rt.handleTraced("GET /x", answer) })
	if traced != plain {
		t.Errorf("%v allocations, want %v", traced, plain)
	}
}
