package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
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
		"no such upload":   {"PATCH /api/v1/uploads/1 HTTP/1.1\r\nTus-Resumable: 1.0.0\r\n", 400},
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
