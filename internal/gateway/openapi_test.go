package gateway

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/test/apicheck"
)

// newChecker reads the document that the gateway serves.
func newChecker(t *testing.T, f *fixture) *apicheck.Checker {
	t.Helper()
	response, err := http.Get(f.server.URL + "/api/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	if known, ok := checkers.Load(content.String()); ok {
		return known.(*apicheck.Checker)
	}
	checker, err := apicheck.New(content.Bytes())
	if err != nil {
		t.Fatalf("the document: %v\n%s", err, content.Bytes())
	}
	checkers.Store(content.String(), checker)
	return checker
}

// checkers are by document, of which there are few.
var checkers sync.Map

// The document has every route that there is, but for the files of the page, and no other.
func TestDocumentHasEveryRoute(t *testing.T) {
	for name, f := range map[string]*fixture{"open": newFixture(t, interceptor.Funcs{}), "guarded": first(newAuthFixture(t))} {
		page := []string{"GET /", "GET /icon.svg", "GET /licenses.txt", "GET /assets/{file}"}
		var want []string
		for _, route := range f.served() {
			if call := route.Method + " " + route.Endpoint; !slices.Contains(page, call) {
				want = append(want, call)
			}
		}
		got := newChecker(t, f).Operations()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the document has\n%s\nthe gateway\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func first(f *fixture, _ *cluster, _ *clock) *fixture { return f }

// Nothing is described that is not a route, which the document would leave out silently.
func TestEveryDescribedCallIsARoute(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	var calls []string
	for _, route := range f.served() {
		calls = append(calls, route.Method+" "+route.Endpoint)
	}
	for call := range describeCalls(f.document(f.routes(true))) {
		if !slices.Contains(calls, call) {
			t.Errorf("there is no route %q", call)
		}
	}
}

func TestPageOfTheDocument(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	a := f.do("GET", "/docs", nil)
	page := string(a.body)
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
		t.Errorf("%d %v", a.status, a.header)
	}
	for _, want := range []string{
		`/api/v1/status/{job_id}`, `<a href="#schema-Job">Job</a>`, `id="schema-Job"`, `id="schema-Problem"`, `deleteJob`,
		"Pending | Running | Completed | Error | Timeout", `<a href="#schema-ParameterProblem">list of ParameterProblem</a>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	for _, outside := range []string{"http://", "<script", "src=", "@import", "url("} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
}
