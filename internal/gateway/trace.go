package gateway

import (
	"net/http"
	"strings"

	"bricklayers.dev/bricklayers/internal/tracing"
)

// handleTraced is handle for a route whose requests are spans. While tracing is off it is handle and nothing else.
func (rt *router) handleTraced(pattern string, h handler, statuses ...int) {
	if rt.tracer != nil {
		_, path, _ := strings.Cut(pattern, " ")
		h = traced(rt.tracer, strings.TrimSuffix(path, "{$}"), h)
	}
	rt.handle(pattern, h, statuses...)
}

// traced makes each request of a handler a span.
func traced(tracer *tracing.Tracer, path string, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		span, r := tracer.Request(r, path)
		rec := w.(*recorder) // of observe
		ended := false
		defer func() { // also when the handler panics
			if !ended {
				span.End(http.StatusInternalServerError, reasonInternal)
			}
		}()
		err := h(w, r)
		status, reason := rec.status, reasonOf(err)
		if status == 0 { // observe writes it
			status = http.StatusOK
			if err != nil {
				status = asProblem(err).Status
			}
		}
		span.End(status, reason)
		ended = true
		rec.traceID = tracer.Example(span.SpanContext())
		return err
	}
}
