package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Span is a span that is over: something whose beginning and end stand in the status of an object.
type Span struct {
	Name       string
	ID         trace.SpanID
	From, To   time.Time
	Fault      string // what went wrong, one word; "" when nothing did
	Attributes []attribute.KeyValue
}

// SpanID is the id of the span of a thing that is named by its parts. It is the same whoever makes it and however often:
// parents need not be remembered, and a span that is sent twice is one.
func SpanID(parts ...string) trace.SpanID {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	id := trace.SpanID(sum[:8])
	if !id.IsValid() { // all zeros mean none
		id[0] = 1
	}
	return id
}

// Record sends a span that is over, below its parent.
func (t *Tracer) Record(parent trace.SpanContext, s Span) {
	if t == nil || !parent.IsValid() {
		return
	}
	ctx := context.WithValue(context.Background(), spanIDKey{}, s.ID)
	_, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), s.Name,
		trace.WithTimestamp(s.From), trace.WithAttributes(s.Attributes...))
	if s.Fault != "" {
		span.SetStatus(codes.Error, s.Fault)
	}
	if s.To.Before(s.From) { // clocks of two machines
		s.To = s.From
	}
	span.End(trace.WithTimestamp(s.To))
}

type spanIDKey struct{}

// idGenerator gives a span the id that its context asks for, and random ones else.
type idGenerator struct{}

func (idGenerator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	var id trace.TraceID
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id, idGenerator{}.NewSpanID(ctx, id)
}

func (idGenerator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	id, _ := ctx.Value(spanIDKey{}).(trace.SpanID)
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}
