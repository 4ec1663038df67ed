package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// net/http reads some of a body that a handler left before it sends the answer. A client that announces a body and sends
// none must not hold a connection for ever.
func TestAnswersDoNotWaitForABody(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	for name, test := range map[string]struct {
		request string
		status  int
	}{
		"refused upload":   {"POST /api/v1/upload?name=a.txt HTTP/1.1\r\n", 415},
		"refused creation": {"POST /api/v1/uploads/ HTTP/1.1\r\n", 412},
		"no such upload":   {"PATCH /api/v1/uploads/1 HTTP/1.1\r\nTus-Resumable: 1.0.0\r\n", 415},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if err := conn.SetDeadline(time.Now().Add(4 * restWindow)); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(conn, "%sHost: x\r\nContent-Length: 1000\r\n\r\nG28\n", test.request); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != test.status {
				t.Errorf("answered %s, want %d", response.Status, test.status)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Error(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the connection was not closed: %v", err)
			}
		})
	}
}

// slowConnection is a request's connection on which some bytes come each second.
type slowConnection struct {
	http.ResponseWriter
	rate, left int
	deadline   time.Time
}

func (c *slowConnection) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *slowConnection) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	next := time.Now().Add(time.Second)
	if !c.deadline.IsZero() && next.After(c.deadline) {
		time.Sleep(time.Until(c.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(time.Until(next))
	n := min(c.rate, c.left, len(p))
	c.left -= n
	return n, nil
}

// A body that comes too slowly ends after a window, one that is just fast enough never, but for the time of all uploads.
func TestPaceOfABody(t *testing.T) {
	const timeout = 10 * time.Minute
	for name, test := range map[string]struct {
		rate, size int // bytes in a second, and altogether
		lasts      time.Duration
		ended      bool
	}{
		"a byte a second":         {1, 100_000, paceWindow, true},
		"a little too slow":       {paceBytes/30 - 100, 1 << 20, paceWindow, true},
		"just fast enough":        {paceBytes/30 + 100, (paceBytes/30 + 100) * 300, 300 * time.Second, false},
		"fast enough for ever":    {paceBytes, paceBytes * 100_000, timeout, true},
		"a small one that trails": {10, 200, 20 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connection := &slowConnection{ResponseWriter: httptest.NewRecorder(), rate: test.rate, left: test.size}
				request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", connection)
				g := &Gateway{Options: Options{UploadTimeout: timeout}}
				started := time.Now()
				body, stop := g.paced(connection, request)
				_, err := io.Copy(io.Discard, body)
				if ended := errors.Is(err, os.ErrDeadlineExceeded); ended != test.ended || !ended && err != nil {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(started); took != test.lasts {
					t.Errorf("lasted %s, want %s", took, test.lasts)
				}
				if stop(); !connection.deadline.IsZero() {
					t.Errorf("the answer has to be made by %s", connection.deadline)
				}
			})
		})
	}
}

// A client that was fast and then stalls has a window from when it was last fast enough.
func TestPaceOfABodyThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connection := &slowConnection{ResponseWriter: httptest.NewRecorder(), rate: paceBytes, left: 1 << 20}
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", connection)
		g := &Gateway{Options: Options{UploadTimeout: time.Hour}}
		body, stop := g.paced(connection, request)
		defer stop()
		if _, err := io.ReadFull(body, make([]byte, 10*paceBytes)); err != nil {
			t.Fatal(err)
		}
		stalled := time.Now()
		connection.rate = 1
		if _, err := io.Copy(io.Discard, body); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(stalled); took != paceWindow {
			t.Errorf("was waited for %s, want %s", took, paceWindow)
		}
	})
}
