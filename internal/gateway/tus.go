package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog"
)

// Resumable uploads by the tus protocol, 1.0.0 (https://tus.io/protocols/resumable-upload). tusd's handler speaks it;
// what it leaves to others is here: answers in this API's form, the extensions expiration and checksum, a minimum rate,
// and cutting requests short when the process ends. tus_upload.go is where the bytes go.

const tusPath = "/api/v1/uploads/"

// Headers of a resumable upload that is finished.
const uploadJobHeader = "Upload-Job-Id"

func (g *Gateway) newTus() http.Handler {
	composer := tusd.NewStoreComposer()
	store := tusStore{g}
	composer.UseCore(store)
	composer.UseTerminater(store)
	composer.UseLocker(newTusLocks())
	tus, err := tusd.NewHandler(tusd.Config{
		StoreComposer:   composer,
		BasePath:        tusPath,
		DisableDownload: true,
		Cors:            &tusd.CorsConfig{Disable: true},
		Logger:          slog.New(slog.NewTextHandler(io.Discard, nil)), // observe logs requests
		// How long each request leaves a goroutine behind, for a context that this store does not use.
		GracefulRequestCompletionTimeout: time.Millisecond,
	})
	if err != nil {
		panic(err) // a mistake in the lines above
	}
	return http.StripPrefix(tusPath, tus)
}

func (g *Gateway) handleTus(rt *router) {
	create := tusResumable(g.allowed("create", g.serveTus))
	rt.handle("OPTIONS "+tusPath+"{$}", g.serveTus, 200)
	rt.handleTraced("POST "+tusPath+"{$}", create, 201, 400, 404, 412, 413, 415, 422, 423, 460, 500, 503, 507)
	const one = tusPath + "{upload_id}"
	rt.handleTraced("HEAD "+one, create, 200, 404, 410, 423, 500, 503)
	rt.handleTraced("PATCH "+one, create, 204, 400, 404, 409, 410, 412, 413, 415, 422, 423, 460, 500, 503, 507)
	rt.handleTraced("DELETE "+one, create, 204, 404, 410, 412, 423, 500, 503)
	// With X-HTTP-Method-Override, of clients that cannot send PATCH.
	rt.handleTraced("POST "+one, create, 204, 400, 404, 409, 410, 412, 413, 415, 422, 423, 460, 500, 503, 507)
}

// tusResumable marks answers as the protocol's, also refusals that come before tusd is asked.
func tusResumable(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Tus-Resumable", "1.0.0")
		return h(w, r)
	}
}

// serveTus answers one request of the protocol.
func (g *Gateway) serveTus(w http.ResponseWriter, r *http.Request) error {
	checksum, err := parseChecksum(r.Header.Get("Upload-Checksum"))
	if err != nil {
		return err
	}
	body, stop := g.paced(w, r)
	defer endBody(w, r)
	defer stop()
	t := &tusRequest{
		ResponseWriter: w, request: r, namespace: r.URL.Query().Get(namespaceField), checksum: checksum, stopPace: stop,
	}
	defer t.close()
	defer t.cutWhenDraining(g.draining)()
	r = r.WithContext(context.WithValue(r.Context(), tusRequestKey{}, t))
	r.Body = struct {
		io.Reader
		io.Closer
	}{&cutReader{body, t}, r.Body}
	g.tus.ServeHTTP(t, r)
	return t.err(r.Context())
}

type tusRequestKey struct{}

// tusRequest is what the store needs to know of a request, and the answer to it on its way through tusd.
type tusRequest struct {
	http.ResponseWriter
	request   *http.Request
	namespace string    // that its address names
	checksum  *checksum // that the body must have, or nil
	stopPace  func()
	mu        sync.Mutex
	cut       bool    // the body ends here, whatever comes
	drained   bool    // because the process is told to stop
	reading   bool    // the body
	short     bool    // the body has ended because it was cut
	bodyErr   error   // why the body could not be read to its end
	checked   *upload // a file that passes in one request

	problem error           // what the store has to say
	refused int             // status of an error of tusd's own
	text    strings.Builder // that it comes with
}

func tusRequestOf(ctx context.Context) *tusRequest { return ctx.Value(tusRequestKey{}).(*tusRequest) }

// fail keeps an error for the answer. What it returns only tells tusd to stop.
func (t *tusRequest) fail(err error) error {
	t.problem = err
	return tusd.NewError("ERR_STORE", err.Error(), http.StatusInternalServerError)
}

// err is the answer that is still to be written, because it is an error.
func (t *tusRequest) err(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.problem != nil:
		return t.problem
	case t.short && t.drained:
		t.Header().Set("Connection", "close") // or the answer would wait for more of the body
		return fail(http.StatusServiceUnavailable, reasonDraining,
			"this replica shuts down; what came of the file is kept, go on with it").after(time.Second)
	case t.short: // clients try again after 423, but not after tusd's 400
		t.Header().Set("Connection", "close")
		return fail(http.StatusLocked, reasonSuperseded,
			"a later request for the same upload came; ask how far the upload is")
	case t.refused != 0 && t.bodyErr != nil:
		t.Header().Set("Connection", "close")
		if errors.Is(t.bodyErr, os.ErrDeadlineExceeded) { // clients try again after 423, but not after 408
			return fail(http.StatusLocked, reasonTooSlow, "the bytes came too slowly; what came is kept, go on with it").
				because(t.bodyErr)
		}
		return fail(http.StatusBadRequest, reasonInterrupted, "the body ended early; what came is kept, go on with it").
			because(t.bodyErr)
	case t.refused != 0:
		return t.tusdProblem().because(ctx.Err())
	}
	return nil
}

func (t *tusRequest) close() {
	if t.checked != nil {
		t.checked.close()
	}
}

// WriteHeader holds back errors, for err, and completes what tusd says.
func (t *tusRequest) WriteHeader(status int) {
	if status >= 400 {
		t.refused = status
		return
	}
	header := t.Header()
	if location, err := url.Parse(header.Get("Location")); err == nil && location.Path != "" {
		header.Set("Location", t.location(location.Path))
	}
	if extensions := header.Get("Tus-Extension"); extensions != "" {
		header.Set("Tus-Extension", extensions+",expiration,checksum")
		header.Set("Tus-Checksum-Algorithm", strings.Join(checksumAlgorithms(), ","))
	}
	endBody(t.ResponseWriter, t.request)
	t.ResponseWriter.WriteHeader(status)
}

// location is an upload's address. tusd makes it absolute, from what it takes for the address that the client sees, and
// does not know of namespaces.
func (t *tusRequest) location(path string) string {
	if t.namespace == "" {
		return path
	}
	return path + "?" + url.Values{namespaceField: {t.namespace}}.Encode()
}

func (t *tusRequest) Write(p []byte) (int, error) {
	if t.refused != 0 {
		return t.text.Write(p)
	}
	return t.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (t *tusRequest) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// SetReadDeadline does nothing: the deadline is the paced body's. tusd would be content with a byte a minute.
func (t *tusRequest) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: tusd would leave it on the connection for requests that take longer.
func (t *tusRequest) SetWriteDeadline(time.Time) error { return nil }

// interrupt ends the body here. What has come of it is kept.
func (t *tusRequest) interrupt(draining bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cut, t.drained = true, t.drained || draining
	if t.reading { // a deadline would end a request that has no body, and even the connection's next one
		// A connection without deadlines is read on to the end of its body.
		_ = http.NewResponseController(t.ResponseWriter).SetReadDeadline(time.Now())
	}
}

// read marks the time in which the body is read.
func (t *tusRequest) read(reading bool) {
	t.mu.Lock()
	t.reading = reading
	t.mu.Unlock()
	if !reading {
		t.stopPace()
	}
}

func (t *tusRequest) isCut() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut
}

// cutWhenDraining interrupts the request when the process is told to stop: another replica takes the rest.
func (t *tusRequest) cutWhenDraining(draining <-chan struct{}) (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
		case <-draining:
			t.interrupt(true)
		}
	}()
	return func() { close(done) }
}

var errCut = errors.New("the request was cut short")

// cutReader ends where a request is cut, even if the deadline that was to end a read has been moved meanwhile.
type cutReader struct {
	io.Reader
	request *tusRequest
}

func (r *cutReader) Read(p []byte) (int, error) {
	if r.request.isCut() {
		r.request.short, r.request.bodyErr = true, errCut
		return 0, errCut
	}
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.request.bodyErr = err
		r.request.short = r.request.isCut()
	}
	return n, err
}
