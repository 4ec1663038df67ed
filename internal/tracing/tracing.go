// Package tracing makes the spans of uploads, jobs and downloads and sends them to an OpenTelemetry collector.
//
// A job's trace is kept in an annotation of its ProcessingJob, so that whoever sees the job can go on with it and nothing
// has to be remembered. Without a collector there is no Tracer: nil is what every method and caller takes for "off".
package tracing

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"bricklayers.dev/bricklayers/internal/version"
)

// The variables of OpenTelemetry that say whether spans are sent, and how. The exporter reads the rest, such as headers and
// certificates, and the SDK which traces are sampled.
const (
	endpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	protocol       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	tracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	tracesExporter = "OTEL_TRACES_EXPORTER"
	disabled       = "OTEL_SDK_DISABLED"
)

// flushTimeout is how long a program that ends waits for the collector to take its last spans.
const flushTimeout = 5 * time.Second

// Tracer makes spans. A nil Tracer makes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// Setup returns the tracer of a program, or nil where the environment names no collector.
func Setup(ctx context.Context, service string, logger logr.Logger) (*Tracer, error) {
	on, err := wanted(os.Getenv)
	if err != nil || !on {
		return nil, err
	}
	otel.SetLogger(logger)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Error(err, "failed to send spans; those of the last minute may be lost")
	}))
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up tracing, see $%s: %w", endpoint, err)
	}
	return New(ctx, service, exporter)
}

// wanted tells whether the environment asks for traces, and refuses what it may ask for in vain.
func wanted(getenv func(string) string) (bool, error) {
	if strings.EqualFold(getenv(disabled), "true") || getenv(endpoint) == "" && getenv(tracesEndpoint) == "" {
		return false, nil
	}
	switch exporter := getenv(tracesExporter); exporter {
	case "none":
		return false, nil
	case "", "otlp":
	default:
		return false, fmt.Errorf("$%s is %q; spans can be sent with otlp only", tracesExporter, exporter)
	}
	for _, name := range []string{tracesEndpoint, endpoint} {
		if value := getenv(name); value != "" {
			if u, err := url.Parse(value); err != nil || u.Host == "" {
				return false, fmt.Errorf("$%s is %q; it must be an address such as http://collector:4317", name, value)
			}
		}
	}
	for _, name := range []string{tracesProtocol, protocol} {
		if value := getenv(name); value != "" {
			if value != "grpc" {
				return false, fmt.Errorf("$%s is %q; spans can be sent by grpc only, usually on port 4317", name, value)
			}
			break // the one for traces is what counts
		}
	}
	return true, nil
}

// New returns a tracer that hands its spans to an exporter.
func New(ctx context.Context, service string, exporter sdktrace.SpanExporter) (*Tracer, error) {
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(
		semconv.ServiceName(service), semconv.ServiceVersion(version.Version)),
		resource.WithFromEnv()) // last, to let it have its way
	if err != nil {
		return nil, fmt.Errorf("set up tracing, see $OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithResource(about), sdktrace.WithIDGenerator(idGenerator{}))
	return &Tracer{provider: provider, tracer: provider.Tracer("bricklayers.dev/bricklayers")}, nil
}

// Shutdown sends what has not been sent yet. The context may be over already. That it fails is only said: a program that
// has done its work has not failed.
func (t *Tracer) Shutdown(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(fmt.Errorf("send the last spans: %w", err))
	}
}
