package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// handler is an http.Handler that returns what is wrong instead of writing it. After it has written it returns an error
// only for the log.
type handler func(w http.ResponseWriter, r *http.Request) error

// router is a ServeMux whose routes are counted under their patterns and answer errors as problems.
type router struct {
	mux     *http.ServeMux
	metrics *metrics.Gateway
	tracer  *tracing.Tracer // nil while tracing is off
	routes  []Route
	other   map[string]*metrics.Route // by method, for paths that are no route
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

const (
	otherEndpoint = "other" // label of what matches no route: a path from outside is never a label
	otherMethod   = "OTHER"
)

func newRouter(m *metrics.Gateway, t *tracing.Tracer) *router {
	rt := &router{mux: http.NewServeMux(), metrics: m, tracer: t, other: map[string]*metrics.Route{}}
	for _, method := range append(slices.Clone(methods), otherMethod) {
		rt.other[method] = m.Route(method, otherEndpoint)
	}
	return rt
}

// Route is one method of one address.
type Route struct {
	Method   string
	Endpoint string // as in http_requests_total{endpoint}
	Statuses []int  // that exist there from the start, at zero
}

// Routes are all that a gateway serves: to people, to pods and to Prometheus.
func Routes() []Route {
	g := New(Options{}, nil, func() bool { return false }, nil, &storage.Store{}, prometheus.NewRegistry())
	return slices.Concat(g.routes(true).routes, g.podRoutes().routes)
}

// handle adds a route ("GET /api/v1/status/{job_id}") with the statuses it usually answers.
func (rt *router) handle(pattern string, h handler, statuses ...int) {
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.TrimSuffix(path, "{$}") // "/" itself
	rt.routes = append(rt.routes, Route{Method: method, Endpoint: path, Statuses: statuses})
	routes := map[string]*metrics.Route{method: rt.metrics.Route(method, path, statuses...)}
	if method == http.MethodGet { // ServeMux lets HEAD in, too
		routes[http.MethodHead] = rt.metrics.Route(http.MethodHead, path)
	}
	rt.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		observe(w, r, routes[r.Method], h)
	})
}

func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := rt.mux.Handler(r); pattern != "" {
		rt.mux.ServeHTTP(w, r)
		return
	}
	route, ok := rt.other[r.Method]
	if !ok {
		route = rt.other[otherMethod]
	}
	observe(w, r, route, rt.noRoute)
}

// noRoute says in a problem what ServeMux says in plain text.
func (rt *router) noRoute(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, method := range methods {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := rt.mux.Handler(probe); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return fail(http.StatusNotFound, reasonNotFound, "there is nothing at this address; POST /api/v1/upload takes files")
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return fail(http.StatusMethodNotAllowed, reasonMethodNotAllowed, "this address takes %s", strings.Join(allowed, ", "))
}

// observe runs a handler, answers its error and counts the request.
func observe(w http.ResponseWriter, r *http.Request, route *metrics.Route, h handler) {
	started := time.Now()
	answer := paceAnswer(w)
	defer answer.end(r)
	rec := &recorder{ResponseWriter: answer}
	defer func() { // also when the handler panics: net/http logs it and closes the connection
		status := rec.status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		route.Observe(status, (time.Since(started) - rec.waited).Seconds(), rec.traceID)
	}()
	expectBody(w, r)
	err := h(rec, r)
	if err == nil {
		if rec.status == 0 {
			rec.status = http.StatusOK // an empty answer
		}
		return
	}
	p := asProblem(err)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		p = clientLeft(err)
	}
	logger := log.FromContext(r.Context()).WithValues("method", r.Method, "route", r.Pattern, "reason", p.Reason)
	if rec.traceID != "" {
		logger = logger.WithValues("trace_id", rec.traceID)
	}
	switch {
	case p.Status < 500:
		logger.V(1).Info("refused", "status", p.Status, "detail", p.Detail, "cause", p.cause)
	default:
		logger.Error(p.cause, "failed", "status", p.Status)
	}
	if rec.status == 0 {
		p.write(rec)
	}
}

// recorder remembers the status and what became of the body. It hands ReadFrom on, so that files are still sent by the kernel.
type recorder struct {
	http.ResponseWriter
	status  int
	waited  time.Duration // for the job, at the client's wish
	traceID string        // of the request's trace, where it is kept
	sent    int64         // bytes of the body
	err     error         // the first in reading or writing the body
}

// discount takes time off a request's duration that it spent on waiting at the client's wish: it says nothing about how
// fast the gateway is.
func discount(w http.ResponseWriter, d time.Duration) {
	if rec, ok := w.(*recorder); ok {
		rec.waited += d
	}
}

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *recorder) Write(p []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	n, err := rec.ResponseWriter.Write(p)
	rec.took(int64(n), err)
	return n, err
}

func (rec *recorder) ReadFrom(r io.Reader) (int64, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	n, err := io.Copy(rec.ResponseWriter, r)
	rec.took(n, err)
	return n, err
}

func (rec *recorder) took(n int64, err error) {
	rec.sent += n
	if rec.err == nil {
		rec.err = err
	}
}

// broken says why the body of an answer did not go out as it was announced, or nil. It is not for HEAD.
func (rec *recorder) broken() error {
	if rec.err != nil {
		return rec.err
	}
	if announced := rec.Header().Get("Content-Length"); announced != "" && announced != strconv.FormatInt(rec.sent, 10) {
		return fmt.Errorf("only %d of %s bytes were there to be sent", rec.sent, announced)
	}
	return nil
}

// clientsFault tells whether an answer was broken by a client that went away or did not read.
func clientsFault(r *http.Request, err error) bool {
	return r.Context().Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET)
}

// Unwrap is for http.ResponseController.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }
