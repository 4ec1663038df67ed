package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// tusModule is where the page's packages are installed, tus-js-client among them.
const tusModule = "../../../web"

// replica is a second gateway beside g, on the same bucket and namespace.
func (g *gateway) replica() *gateway {
	g.t.Helper()
	other := *g
	other.address, other.pods = freeAddress(g.t), freeAddress(g.t)
	other.start()
	g.t.Cleanup(other.stop)
	return &other
}

// A file goes up with tus-js-client, each request through the other of two replicas, and some requests are cut.
func TestTusJSClientThroughTwoReplicas(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("needs node, from Debian's package nodejs")
	}
	if _, err := os.Stat(filepath.Join(tusModule, "node_modules", "tus-js-client")); err != nil {
		t.Skip("needs tus-js-client: run npm ci in web")
	}
	g := startGateway(t)
	replicas := []string{g.address, g.replica().address}
	content := []byte(gcode + strings.Repeat("G1 X1 Y1 E1\nG92 E0\nG1 X2 Y2 E1\nG92 E0\n", 60_000))
	file := filepath.Join(t.TempDir(), "a.gcode")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		chunk string
		cuts  int64
	}{
		"in chunks": {"300000", 0},
		"at once":   {"Infinity", 0},
		"cut":       {"Infinity", 5},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := &alternating{replicas: replicas}
			proxy.cuts.Store(test.cuts)
			server := httptest.NewServer(proxy)
			defer server.Close()
			client := exec.CommandContext(t.Context(), "node", "testdata/tus.mjs", tusModule, server.URL+"/api/v1/uploads/", file, test.chunk)
			out, err := client.Output()
			if err != nil {
				t.Fatalf("the client ended with %v: %s %s", err, out, stderr(err))
			}
			job := g.job(strings.TrimSpace(string(out)))
			sum := sha256.Sum256(content)
			if in := job.Spec.Input.Upload; in.Name != "a.gcode" || string(in.SHA256) != hex.EncodeToString(sum[:]) {
				t.Errorf("the job's input is %+v", in)
			}
			if left := proxy.cuts.Load(); left > 0 {
				t.Errorf("%d cuts were not made", left)
			}
			stored, err := os.ReadFile(filepath.Join(g.bucket, "jobs", g.namespace, job.Name, "input", "a.gcode"))
			if err != nil || !bytes.Equal(stored, content) {
				t.Errorf("stored %d bytes that are not the file: %v", len(stored), err)
			}
		})
	}
}

func stderr(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}

// alternating is a load balancer that sends each request to the next replica, and cuts some on their way.
type alternating struct {
	replicas []string
	count    atomic.Int64
	cuts     atomic.Int64 // still to be made
}

func (a *alternating) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := a.replicas[a.count.Add(1)%int64(len(a.replicas))]
	if r.Method == http.MethodPatch && a.cuts.Add(-1) >= 0 {
		a.cut(w, r, target)
		return
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host = "http", target
	}}
	proxy.ServeHTTP(w, r)
}

// cut sends the replica part of the request, then closes both connections.
func (a *alternating) cut(w http.ResponseWriter, r *http.Request, target string) {
	conn, err := net.Dial("tcp", target)
	if err == nil {
		_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.URL.Path, target, r.ContentLength)
	}
	if err == nil {
		err = r.Header.Write(conn)
	}
	if err == nil {
		_, err = io.WriteString(conn, "\r\n")
	}
	if err == nil {
		_, err = io.CopyN(conn, r.Body, rand.Int64N(r.ContentLength))
	}
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	panic(http.ErrAbortHandler)
}
