package gateway_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"
)

// wire leads to the API server until it is cut.
type wire struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	open     []net.Conn
	broken   bool
}

// newWire returns a wire, and how to reach the API server by it.
func newWire(t *testing.T, config *rest.Config) (*wire, *rest.Config) {
	t.Helper()
	// On the address that the API server's certificate is for.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, target: config.Host}
	if address, err := url.Parse(config.Host); err == nil && address.Host != "" {
		w.target = address.Host
	}
	t.Cleanup(w.cut)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	by := rest.CopyConfig(config)
	by.Host = "https://" + listener.Addr().String()
	return w, by
}

func (w *wire) carry(from net.Conn) {
	to, err := net.Dial("tcp", w.target)
	if err != nil {
		_ = from.Close()
		return
	}
	w.mu.Lock()
	w.open = append(w.open, from, to)
	broken := w.broken
	w.mu.Unlock()
	if broken {
		w.cut()
		return
	}
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}()
	_, _ = io.Copy(from, to)
	_ = from.Close()
}

// cut ends what goes over the wire, and refuses what comes.
func (w *wire) cut() {
	_ = w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	for _, conn := range w.open {
		_ = conn.Close()
	}
}

// complete gives a job a result.
func (g *gateway) complete(id string) {
	g.t.Helper()
	job := g.job(id)
	token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	data := g.fetch(job, token)
	if err := os.WriteFile(filepath.Join(data, "out", "a_brick.gcode"), []byte(gcode), 0o600); err != nil {
		g.t.Fatal(err)
	}
	if out, code := g.agent(data, token, "store"); code != 0 {
		g.t.Fatalf("store ended with %d: %s", code, out)
	}
	job = g.job(id)
	job.Status.Phase = v1alpha1.PhaseCompleted
	if err := g.cp.Client.Status().Update(g.t.Context(), job); err != nil {
		g.t.Fatal(err)
	}
}

// What has a result can be fetched while the API server is away. Nothing new is taken.
func TestDownloadsGoOnWhileTheAPIServerIsAway(t *testing.T) {
	cp := controlplane.Require(t, running)
	for _, auth := range []string{"none", "kubernetes"} {
		t.Run(auth, func(t *testing.T) {
			toAPIServer, config := newWire(t, cp.Config)
			g := startGatewayBehind(t, config, "--auth="+auth)
			token := ""
			if auth == "kubernetes" {
				token = g.account(g.namespace, "writer", mayOnJobs("create", "get"))
				g.eventuallyAnswers(http.StatusBadRequest, "POST", "/api/v1/upload", token) // allowed, but no file
			}
			var job view
			upload := "http://" + g.address + "/api/v1/upload?name=a.gcode"
			if status := g.call("POST", upload, strings.NewReader(gcode), token, &job); status != http.StatusCreated {
				t.Fatalf("the upload answered %d %+v", status, job)
			}
			g.complete(job.JobID)
			download := "/api/v1/download/" + job.JobID
			g.eventuallyAnswers(http.StatusOK, "GET", download, token)

			toAPIServer.cut()
			if status := g.call("GET", "http://"+g.address+download, nil, token, nil); status != http.StatusOK {
				t.Errorf("the download answered %d", status)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, upload, strings.NewReader(gcode))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+token)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
				t.Errorf("the upload answered %s %v", response.Status, response.Header)
			}
			if status := g.call("GET", "http://"+g.address+download, nil, token, nil); status != http.StatusOK {
				t.Errorf("the download answered %d after that", status)
			}
		})
	}
}
