package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
)

// pipes is a network within the process, on which the clock of a test goes.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	connection, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return connection, nil
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Net: "pipe"} }
func (p pipes) Close() error   { close(p); return nil }

// open sends a request.
func (p pipes) open(t *testing.T, what string) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	p <- there
	if _, err := fmt.Fprintf(here, "%s HTTP/1.1\r\nHost: a\r\n\r\n", what); err != nil {
		t.Fatal(err)
	}
	return here
}

// ask sends a request and reads the status and the header of the answer; of the rest, what one read brings.
func (p pipes) ask(t *testing.T, path string) (status int) {
	t.Helper()
	response, err := http.ReadResponse( //nolint:bodyclose // to close it would read the rest
		bufio.NewReaderSize(p.open(t, "GET "+path), 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// Clients that ask and do not read hold what their answers are made with for a window, and not longer.
func TestClientsThatDoNotRead(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted), jobIn("more", v1alpha1.PhaseCompleted))
	f.commit("done", map[string]string{"a.gcode": print(100_000)})
	f.commit("more", map[string]string{"a.gcode": print(100_000), "b.gcode": print(100_000)})
	const archive = "/api/v1/download/more?archive=zip"
	synctest.Test(t, func(t *testing.T) {
		network := make(pipes)
		server := &http.Server{Handler: f.Handler(true)}
		go func() { _ = server.Serve(network) }()
		for range maxArchives {
			if status := network.ask(t, archive); status != 200 {
				t.Fatalf("an archive: %d", status)
			}
		}
		for _, path := range []string{"/api/v1/download/done", "/api/v1/openapi.json"} {
			if status := network.ask(t, path); status != 200 {
				t.Fatalf("%s: %d", path, status)
			}
		}
		network.open(t, "OPTIONS /api/v1/uploads/") // nothing at all is read of this one, which has no body
		if status := network.ask(t, archive); status != 503 {
			t.Errorf("one archive too many: %d", status)
		}
		time.Sleep(answerWindow + time.Second)
		if status := network.ask(t, archive); status != 200 {
			t.Errorf("an archive, after those that nobody reads: %d", status)
		}
		stop, cancel := context.WithTimeout(t.Context(), answerWindow+time.Second)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			t.Errorf("requests are still in flight: %v", err)
		}
	})
	f.wantMetric(`downloads_total{status="success"}`, "0")
}

// The deadline of a piece is over with the piece: it strikes neither what a handler writes later, nor what net/http writes
// after it or for the next request.
func TestAnswersWithPauses(t *testing.T) {
	rt := newRouter(metrics.NewGateway(prometheus.NewRegistry(), nil), nil)
	rt.handle("GET /paused", func(w http.ResponseWriter, _ *http.Request) error {
		for range 2 {
			if _, err := io.WriteString(w, "some"); err != nil {
				return err
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
			time.Sleep(2 * answerWindow)
		}
		return nil
	})
	rt.handle("PUT /echo", func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.Copy(w, r.Body)
		return err
	})
	synctest.Test(t, func(t *testing.T) {
		network := make(pipes)
		server := &http.Server{Handler: rt}
		go func() { _ = server.Serve(network) }()
		here, there := net.Pipe()
		network <- there
		answers := bufio.NewReader(here)
		for request, want := range map[string]string{
			"GET /paused HTTP/1.1\r\nHost: a\r\n\r\n":                                            "somesome",
			"PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n": "body",
		} {
			for range 2 {
				if _, err := io.WriteString(here, request); err != nil {
					t.Fatal(err)
				}
				response, err := http.ReadResponse(answers, nil) //nolint:bodyclose // it is read to its end
				if err == nil && response.StatusCode == http.StatusContinue {
					if _, err = io.WriteString(here, "body"); err == nil {
						response, err = http.ReadResponse(answers, nil) //nolint:bodyclose // as above
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(response.Body); err != nil || string(body) != want {
					t.Errorf("%q is answered %q: %v", request, body, err)
				}
				time.Sleep(2 * answerWindow)
			}
		}
		_ = here.Close()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// slowReader is a client's connection that takes some bytes each second.
type slowReader struct {
	http.ResponseWriter
	rate     int
	deadline time.Time
}

func (c *slowReader) SetWriteDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *slowReader) Write(p []byte) (n int, err error) {
	for n < len(p) {
		next := time.Now().Add(time.Second)
		if !c.deadline.IsZero() && next.After(c.deadline) {
			time.Sleep(time.Until(c.deadline))
			return n, os.ErrDeadlineExceeded
		}
		time.Sleep(time.Until(next))
		n = min(n+c.rate, len(p))
	}
	return n, nil
}

// A client that is just fast enough gets all of a large answer, however it is written.
func TestPaceOfAnAnswer(t *testing.T) {
	const size = 40 * sendPiece
	content := strings.Repeat("x", size)
	for name, write := range map[string]func(io.Writer) (int64, error){
		"in one": func(w io.Writer) (int64, error) { n, err := io.WriteString(w, content); return int64(n), err },
		"copied": func(w io.Writer) (int64, error) { return io.Copy(w, strings.NewReader(content)) },
		"read from something of a size": func(w io.Writer) (int64, error) {
			return io.Copy(w, io.LimitReader(strings.NewReader(content), size))
		},
		"read from a file": func(w io.Writer) (int64, error) {
			file, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				return 0, err
			}
			defer func() { _ = file.Close() }()
			if _, err := file.WriteString(content); err != nil {
				return 0, err
			}
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return 0, err
			}
			return io.Copy(w, io.LimitReader(file, size+1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for rate, want := range map[int]int64{sendPiece / 20: size, 10: -1} {
				synctest.Test(t, func(t *testing.T) {
					connection := &slowReader{ResponseWriter: httptest.NewRecorder(), rate: rate}
					answer := paceAnswer(connection)
					started := time.Now()
					n, err := write(answer)
					if want == size && (n != size || err != nil) {
						t.Errorf("%d bytes in a second: %d of %d bytes: %v", rate, n, size, err)
					}
					if took := time.Since(started); want != size && (err == nil || took != answerWindow) {
						t.Errorf("%d bytes in a second: ended after %s with %v", rate, took, err)
					}
				})
			}
		})
	}
}

// kernelSends is a listener that counts the files which the kernel is told to send.
type kernelSends struct {
	net.Listener
	files atomic.Int64
}

func (l *kernelSends) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConnection{connection.(*net.TCPConn), l}, nil
}

type countedConnection struct {
	*net.TCPConn
	listener *kernelSends
}

func (c *countedConnection) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*os.File); ok {
			c.listener.files.Add(1)
		}
	}
	return c.TCPConn.ReadFrom(r)
}

// A file of a folder goes from the kernel to the network without a copy here: that is what makes downloads cheap.
func TestFilesAreSentByTheKernel(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	content := strings.Repeat(print(1000), 100)
	f.commit("done", map[string]string{"a.gcode": content})
	server := httptest.NewUnstartedServer(f.Handler(true))
	listener := &kernelSends{Listener: server.Listener}
	server.Listener = listener
	server.Start()
	defer server.Close()
	response, err := http.Get(server.URL + "/api/v1/download/done")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got, err := io.ReadAll(response.Body); err != nil || string(got) != content {
		t.Errorf("%d of %d bytes: %v", len(got), len(content), err)
	}
	if pieces := int64(len(content)/sendPiece) + 1; listener.files.Load() != pieces {
		t.Errorf("the kernel sent %d pieces, want %d", listener.files.Load(), pieces)
	}
}
