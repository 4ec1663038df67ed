package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// answer is what a request has come to.
type answer struct {
	StatusCode int
	Header     http.Header
	Body       *bytes.Buffer
}

func get(t *testing.T, h http.Handler, method, path string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body}
}

func body(t *testing.T, r answer) string {
	t.Helper()
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		from = z
	}
	content, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func page(t *testing.T) *Handler {
	t.Helper()
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestThePageIsWhole(t *testing.T) {
	h := page(t)
	index := body(t, get(t, h, "GET", "/"))
	if !strings.Contains(index, "<title>Bricklayers</title>") {
		t.Fatalf("no page: %q", index)
	}
	refs := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(index, -1)
	if len(refs) < 3 {
		t.Errorf("the page refers to %d files", len(refs))
	}
	for _, ref := range refs {
		if r := get(t, h, "GET", ref[1]); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", ref[1], r.StatusCode)
		}
	}
	if found := regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]|<style|\son\w+=|\sstyle=`).FindString(index); found != "" {
		t.Errorf("the page's policy would keep %q from working", found)
	}
}

// TestLicencesGoAlong: all that the page depends on is bundled, in its worker if not in itself.
func TestLicencesGoAlong(t *testing.T) {
	content, err := os.ReadFile("../../web/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var source struct{ Dependencies map[string]string }
	if err := json.Unmarshal(content, &source); err != nil || len(source.Dependencies) == 0 {
		t.Fatalf("%d dependencies: %v", len(source.Dependencies), err)
	}
	licences := body(t, get(t, page(t), "GET", "/licenses.txt"))
	for name, version := range source.Dependencies {
		if !strings.Contains("\n"+licences, "\n"+name+" "+version+" (") {
			t.Errorf("the licence of %s %s is not among those that go along", name, version)
		}
	}
}

func TestPolicy(t *testing.T) {
	h := page(t)
	for _, path := range h.Paths() {
		r := get(t, h, "GET", path)
		got := r.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "script-src 'self';", "base-uri 'none'"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the policy %q has no %s", path, got, want)
			}
		}
		if strings.Contains(got, "unsafe") || strings.Contains(got, "http") || strings.Contains(got, "*") {
			t.Errorf("%s: the policy %q allows too much", path, got)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
}

func TestFirstPaintIsSmall(t *testing.T) {
	h := page(t)
	index := body(t, get(t, h, "GET", "/"))
	sum := len(index)
	for _, ref := range regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(index, -1) {
		content, err := io.ReadAll(get(t, h, "GET", ref[1], "Accept-Encoding", "gzip").Body)
		if err != nil {
			t.Fatal(err)
		}
		sum += len(content)
	}
	t.Logf("the page comes with %d bytes, compressed", sum)
	if sum > 100_000 {
		t.Errorf("the page comes with %d bytes, compressed; 100,000 are its budget", sum)
	}
}

var small = fstest.MapFS{
	"index.html":         {Data: []byte("<!doctype html>" + strings.Repeat("<p>page", 100))},
	"assets/a-Bc12.js":   {Data: []byte(strings.Repeat("let a = 1;", 100))},
	"assets/tiny-Bc.css": {Data: []byte("a{}")},
}

func TestCaching(t *testing.T) {
	h, err := newHandler(small)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "no-cache", "/assets/a-Bc12.js": "public, max-age=31536000, immutable"} {
		r := get(t, h, "GET", path)
		if got := r.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", path, got, want)
		}
		again := get(t, h, "GET", path, "If-None-Match", r.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
			t.Errorf("%s: with its ETag %d", path, again.StatusCode)
		}
	}
}

func TestCompression(t *testing.T) {
	h, err := newHandler(small)
	if err != nil {
		t.Fatal(err)
	}
	const path = "/assets/a-Bc12.js"
	plain := get(t, h, "GET", path)
	for accept, zipped := range map[string]bool{
		"gzip": true, "br, gzip;q=0.5": true, "*": true, "GZIP": true,
		"": false, "br": false, "gzip;q=0": false, "identity, gzip; q=0.0": false,
	} {
		r := get(t, h, "GET", path, "Accept-Encoding", accept)
		if got := r.Header.Get("Content-Encoding") == "gzip"; got != zipped {
			t.Errorf("Accept-Encoding %q: compressed %v", accept, got)
		}
		if r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary %q", r.Header.Get("Vary"))
		}
		if zipped && r.Header.Get("ETag") == plain.Header.Get("ETag") {
			t.Error("two contents, one ETag")
		}
		if got := body(t, r); got != string(small["assets/a-Bc12.js"].Data) {
			t.Errorf("Accept-Encoding %q: %q", accept, got)
		}
	}
	if r := get(t, h, "GET", "/assets/tiny-Bc.css", "Accept-Encoding", "gzip"); r.Header.Get("Content-Encoding") != "" {
		t.Error("compressed although that makes it longer")
	}
}

func TestHeadAndOthers(t *testing.T) {
	h, err := newHandler(small)
	if err != nil {
		t.Fatal(err)
	}
	r := get(t, h, "HEAD", "/", "Accept-Encoding", "gzip")
	if r.StatusCode != http.StatusOK || r.Body.Len() > 0 || r.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", r.StatusCode, r.Header)
	}
	for _, path := range []string{"/index.html", "/assets/", "/nothing"} {
		if r := get(t, h, "GET", path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	if _, err := newHandler(fstest.MapFS{}); err == nil {
		t.Error("a page without index.html")
	}
	unknown := maps.Clone(small)
	unknown["a.exotic"] = &fstest.MapFile{Data: []byte("?")}
	if _, err := newHandler(unknown); err == nil || !strings.Contains(err.Error(), "a.exotic") {
		t.Errorf("a file of an unknown type: %v", err)
	}
}
