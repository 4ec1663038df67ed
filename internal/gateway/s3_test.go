package gateway

import (
	"io"
	"net/http"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/storage/storagetest"
)

func TestS3(t *testing.T) {
	server := storagetest.S3(t)
	f := newFixtureOn(t, server.BucketURL(), interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted), jobIn("lost", v1alpha1.PhaseCompleted))

	if a := f.upload(part{"file", "a.gcode", print(50)}); a.status != 201 {
		t.Fatalf("upload: %d %s", a.status, a.body)
	}
	for _, j := range f.jobs() {
		if j.Spec.Input.Upload == nil {
			continue
		}
		size, _, err := f.store.Stat(t.Context(), storage.InputKey(namespace, j.Name, "a.gcode"))
		if err != nil || size != int64(len(print(50))) {
			t.Errorf("stored %d bytes: %v", size, err)
		}
	}

	f.commit("done", map[string]string{"a.gcode": "content"})
	a := f.do("GET", "/api/v1/download/done", nil)
	if a.status != http.StatusTemporaryRedirect {
		t.Fatalf("download: %d %s", a.status, a.body)
	}
	response, err := http.Get(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "content" {
		t.Errorf("the bucket answered %s %q: %v", response.Status, body, err)
	}
	etag := `"` + digest("content") + `"`
	if a.header.Get("ETag") != etag || a.header.Get("Repr-Digest") != digestField(digest("content")) || a.header.Get("Content-Digest") != "" {
		t.Errorf("the redirect says of the file: %v", a.header)
	}
	for name, test := range map[string]struct {
		header []string
		status int
		body   string
	}{
		"unchanged":                {[]string{"If-None-Match", etag}, 304, ""},
		"changed":                  {[]string{"If-None-Match", `"other"`}, 307, ""},
		"of this content":          {[]string{"If-Match", etag}, 200, "content"},
		"of other content":         {[]string{"If-Match", `"other"`}, 412, ""},
		"a range of this content":  {[]string{"Range", "bytes=1-3", "If-Range", etag}, 206, "ont"},
		"a range of other content": {[]string{"Range", "bytes=1-3", "If-Range", `"other"`}, 200, "content"},
	} {
		got := f.do("GET", "/api/v1/download/done", nil, test.header...)
		if got.status != test.status || test.body != "" && string(got.body) != test.body || got.header.Get("ETag") != etag {
			t.Errorf("%s: %d %q with ETag %s, want %d %q", name, got.status, got.body, got.header.Get("ETag"), test.status, test.body)
		}
	}
	if head := f.do("HEAD", "/api/v1/download/done", nil); head.status != 200 || head.header.Get("Content-Length") != "7" {
		t.Errorf("HEAD: %d, %s bytes", head.status, head.header.Get("Content-Length"))
	}
	f.RedirectDownloads = false
	if through := f.do("GET", "/api/v1/download/done", nil, "Range", "bytes=1-3"); through.status != 206 || string(through.body) != "ont" {
		t.Errorf("through the gateway: %d %q", through.status, through.body)
	}
	f.wantMetric(`downloads_total{status="success"}`, "6")
	f.RedirectDownloads = true
	if through := f.do("GET", "/api/v1/download/done?redirect=false", nil); through.status != 200 || string(through.body) != "content" {
		t.Errorf("at the client's wish: %d %q", through.status, through.body)
	}

	f.commit("lost", map[string]string{"a.gcode": "content"})
	if err := f.store.Delete(t.Context(), storage.OutputKey(namespace, "uid-lost", "pod", "a.gcode")); err != nil {
		t.Fatal(err)
	}
	if lost := f.do("GET", "/api/v1/download/lost", nil); lost.status != 410 {
		t.Errorf("lost: %d %s", lost.status, lost.body)
	}

	server.Stop()
	if a := f.upload(part{"file", "a.gcode", print(50)}); a.status != 503 || a.reason() != "storage_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("upload without a bucket: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/api/v1/download/done", nil); a.status != 503 || a.reason() != "storage_unavailable" {
		t.Errorf("download without a bucket: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/readyz", nil); a.status != 503 || a.reason() != "storage_unavailable" {
		t.Errorf("readiness without a bucket: %d %s", a.status, a.body)
	}
}
