package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"bricklayers.dev/bricklayers/internal/storage/storagetest"
)

// proxy stands before a server and does to some requests what a test wants.
type proxy struct {
	*httptest.Server
	forward *httputil.ReverseProxy

	mu   sync.Mutex
	rule func(*http.Request) *fault // nil: all pass
}

// fault is what becomes of a request. The zero one passes.
type fault struct {
	status int                           // answered instead
	hang   bool                          // no answer while the client waits
	before func()                        // called before it passes
	after  func()                        // called when its answer is there, and before that passes
	change func(response *http.Response) // of the answer
}

func newProxy(t *testing.T, target string, transport http.RoundTripper) *proxy {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{forward: &httputil.ReverseProxy{
		// The Host stays, because S3's signature is over it.
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host },
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// set has all requests go by another rule.
func (p *proxy) set(rule func(*http.Request) *fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	rule := p.rule
	p.mu.Unlock()
	var f *fault
	if rule != nil {
		f = rule(r)
	}
	if f == nil {
		f = &fault{}
	}
	if f.hang {
		_, _ = io.Copy(io.Discard, r.Body) // or nobody notices when the client goes
		<-r.Context().Done()
		return
	}
	if f.status != 0 {
		w.WriteHeader(f.status)
		return
	}
	if f.before != nil {
		f.before()
	}
	forward := *p.forward
	forward.ModifyResponse = func(response *http.Response) error {
		if f.after != nil {
			f.after()
		}
		if f.change != nil {
			f.change(response)
		}
		return nil
	}
	forward.ServeHTTP(w, r)
}

// beforeAPIServer puts a proxy between the gateway and the API server.
func (g *gateway) beforeAPIServer() *proxy {
	g.t.Helper()
	transport, err := rest.TransportFor(g.cp.Config)
	if err != nil {
		g.t.Fatal(err)
	}
	p := newProxy(g.t, g.cp.Config.Host, transport)
	g.config = &rest.Config{Host: p.URL}
	return p
}

// s3 is a bucket of a real S3 server behind a proxy.
func s3(t *testing.T) (server *storagetest.Server, p *proxy, flag string) {
	t.Helper()
	server = storagetest.S3(t)
	p = newProxy(t, server.Endpoint, http.DefaultTransport)
	behind := *server
	behind.Endpoint = p.URL
	return server, p, "--bucket=" + behind.BucketURL()
}
