package gateway

import (
	"bytes"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestPage(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	a := f.do("GET", "/", nil)
	if a.status != 200 || !bytes.Contains(a.body, []byte("<title>Bricklayers</title>")) ||
		a.header.Get("Content-Security-Policy") == "" {
		t.Errorf("answered %d, %v: %s", a.status, a.header, a.body)
	}
	if a := f.do("HEAD", "/", nil); a.status != 200 || len(a.body) > 0 {
		t.Errorf("HEAD answered %d %q", a.status, a.body)
	}
	if a := f.do("GET", "/index.html", nil); a.reason() != reasonNotFound {
		t.Errorf("a second address of the page: %d %s", a.status, a.body)
	}
	if a := f.do("POST", "/", nil); a.reason() != reasonMethodNotAllowed {
		t.Errorf("POST answered %d %s", a.status, a.body)
	}
	f.wantMetric(`http_requests_total{endpoint="/",method="GET",status="200"}`, "1")
}
