// Package collector is an OpenTelemetry collector for tests: it takes spans as one does, over OTLP, and keeps them.
package collector

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"bricklayers.dev/bricklayers/internal/tracing"
)

// Collector keeps what it is sent.
type Collector struct {
	collectorv1.UnimplementedTraceServiceServer
	URL string // for $OTEL_EXPORTER_OTLP_ENDPOINT

	// Stop ends it early; nobody answers then.
	Stop func()

	mu    sync.Mutex
	spans []Span
}

// Span is a span with the service that sent it.
type Span struct {
	*tracev1.Span
	Service string
}

// Start runs a collector until the test ends.
func Start(t *testing.T) *Collector {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Collector{URL: "http://" + listener.Addr().String()}
	server := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(server, c)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	c.Stop = server.Stop
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it began
			t.Errorf("the collector: %v", err)
		}
	})
	return c
}

// Tracer is one that sends its spans here, the last of them when it is shut down.
func (c *Collector) Tracer(t *testing.T) *tracing.Tracer {
	t.Helper()
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpointURL(c.URL))
	if err != nil {
		t.Fatal(err)
	}
	tracer, err := tracing.New(t.Context(), t.Name(), exporter)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// Export is what exporters call.
func (c *Collector) Export(_ context.Context, request *collectorv1.ExportTraceServiceRequest,
) (*collectorv1.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		service := ""
		for _, attribute := range resource.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				service = attribute.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, Span{Span: span, Service: service})
			}
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// Spans are all that have come, by their beginning.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedStableFunc(slices.Values(c.spans), func(a, b Span) int {
		return int(int64(a.GetStartTimeUnixNano()) - int64(b.GetStartTimeUnixNano()))
	})
}

// Trace are the spans of one trace, whose id is in hexadecimal.
func (c *Collector) Trace(id string) []Span {
	return slices.DeleteFunc(c.Spans(), func(s Span) bool { return hex.EncodeToString(s.GetTraceId()) != id })
}

// Path names a span by those above it in the list, from the outermost: "POST /api/v1/upload > job > queue".
func Path(spans []Span, s Span) string {
	path := []string{s.GetName()}
	for len(path) <= len(spans) { // a loop of parents would have no end
		above := slices.IndexFunc(spans, func(other Span) bool { return string(other.GetSpanId()) == string(s.GetParentSpanId()) })
		if above < 0 {
			break
		}
		s = spans[above]
		path = append(path, s.GetName())
	}
	slices.Reverse(path)
	return strings.Join(path, " > ")
}

// Paths are the paths of all spans, sorted: one that came twice is there twice.
func Paths(spans []Span) []string {
	var paths []string
	for _, s := range spans {
		paths = append(paths, Path(spans, s))
	}
	slices.Sort(paths)
	return paths
}

// Attribute is the text of one of a span's attributes, "" where it has none.
func (s Span) Attribute(key string) string {
	for _, attribute := range s.GetAttributes() {
		if attribute.GetKey() == key {
			return attribute.GetValue().GetStringValue()
		}
	}
	return ""
}
