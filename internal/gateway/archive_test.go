package gateway

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
)

func TestArchive(t *testing.T) {
	done := jobIn("done", v1alpha1.PhaseCompleted)
	done.Status.Input = &v1alpha1.File{Name: "größe \"1\".gcode", Size: ptr.To(int64(3)), SHA256: "x"}
	f := newFixture(t, interceptor.Funcs{}, done)
	files := map[string]string{"a b.gcode": print(1000), "Größe.BGCODE": print(100), "leer.txt": ""}
	f.commit("done", files)
	var etag string
	for name, test := range map[string]struct {
		query  string
		header []string
	}{
		"by query":  {"?archive=zip", nil},
		"by accept": {"", []string{"Accept", "text/html;q=0.1, application/zip"}},
		"no range":  {"?archive=zip", []string{"Range", "bytes=0-3"}},
	} {
		a := f.do(http.MethodGet, "/api/v1/download/done"+test.query, nil, test.header...)
		if a.status != 200 || a.header.Get("Content-Type") != "application/zip" ||
			a.header.Get("Content-Disposition") != `attachment; filename*=utf-8''gr%C3%B6%C3%9Fe%20%221%22.zip` {
			t.Fatalf("%s: %d %v", name, a.status, a.header)
		}
		archive, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
		if err != nil {
			t.Fatal(err)
		}
		if len(archive.File) != len(files) {
			t.Errorf("%s: %d files", name, len(archive.File))
		}
		for _, entry := range archive.File {
			r, err := entry.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil || string(content) != files[entry.Name] {
				t.Errorf("%s: %q has %d bytes: %v", name, entry.Name, len(content), err)
			}
			if want := map[bool]uint16{true: zip.Store, false: zip.Deflate}[entry.Name == "Größe.BGCODE"]; entry.Method != want {
				t.Errorf("%q is packed by method %d", entry.Name, entry.Method)
			}
		}
		etag = a.header.Get("ETag")
	}
	if a := f.do(http.MethodGet, "/api/v1/download/done?archive=zip", nil, "If-None-Match", etag); a.status != 304 {
		t.Errorf("unchanged: %d", a.status)
	}
	if a := f.do(http.MethodHead, "/api/v1/download/done?archive=zip", nil); a.status != 200 || a.header.Get("ETag") != etag || a.header.Get("Content-Length") != "" {
		t.Errorf("head: %d %v", a.status, a.header)
	}
	for _, query := range []string{"?archive=tar", "?archive=zip&file=leer.txt"} {
		if a := f.do(http.MethodGet, "/api/v1/download/done"+query, nil); a.status != 400 || a.reason() != "bad_field" {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := f.do(http.MethodGet, "/api/v1/download/done?file=leer.txt", nil, "Accept", "application/zip"); a.header.Get("Content-Type") == "application/zip" {
		t.Error("one file was asked for")
	}
	if a := f.do(http.MethodGet, "/api/v1/download/done", nil, "Accept", "*/*"); a.reason() != "choose_file" {
		t.Errorf("anything: %d %s", a.status, a.body)
	}
	f.wantMetric(`downloads_total{status="success"}`, "4")
}

func TestArchivesAreBounded(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	f.commit("done", map[string]string{"a.gcode": "abc", "b.gcode": "abc"})
	if !f.archives.TryAcquire(maxArchives) {
		t.Fatal("some are being made already")
	}
	a := f.do(http.MethodGet, "/api/v1/download/done?archive=zip", nil)
	if a.status != 503 || a.reason() != "too_many_archives" || a.header.Get("Retry-After") != "10" || a.header.Get("ETag") != "" {
		t.Errorf("one too many: %d %s with %v", a.status, a.body, a.header)
	}
	if a := f.do(http.MethodHead, "/api/v1/download/done?archive=zip", nil); a.status != 200 {
		t.Errorf("head makes none: %d", a.status)
	}
	f.archives.Release(maxArchives)
	for range maxArchives + 1 { // each gives back what it took
		if a := f.do(http.MethodGet, "/api/v1/download/done?archive=zip", nil); a.status != 200 {
			t.Fatalf("afterwards: %d %s", a.status, a.body)
		}
	}
}

func TestArchiveWithAFileMissing(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	f.commit("done", map[string]string{"a.gcode": "abc", "b.gcode": "abc"})
	lost := filepath.Join(f.dir, "jobs", namespace, "uid-done", "attempts", "pod", "b.gcode")
	if err := os.Truncate(lost, 2); err != nil {
		t.Fatal(err)
	}
	if a := f.do(http.MethodGet, "/api/v1/download/done?archive=zip", nil); a.status != 410 || a.reason() != "file_missing" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A file that cannot be read to its end breaks the connection: the client must not take half an archive for all.
func TestArchiveThatBreaks(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	f.commit("done", map[string]string{"a.gcode": print(100_000), "b.gcode": print(100_000)})
	job := &v1alpha1.ProcessingJob{}
	if err := f.client.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: "done"}, job); err != nil {
		t.Fatal(err)
	}
	manifest, err := f.store.Result(t.Context(), namespace, string(job.UID))
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) error {
		return f.sendArchive(&vanishing{ResponseWriter: w, act: func() {
			_ = os.Remove(filepath.Join(f.dir, "jobs", namespace, "uid-done", "attempts", "pod", manifest.Files[1].Name))
		}}, r, job, manifest)
	})
	response, err := http.Get(server)
	if err != nil {
		return // before a byte was sent
	}
	defer response.Body.Close()
	if content, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the answer ended well after %d bytes", len(content))
	}
}

// vanishing has a file vanish once the answer has begun.
type vanishing struct {
	http.ResponseWriter
	act func()
}

func (v *vanishing) WriteHeader(status int) {
	v.act()
	v.ResponseWriter.WriteHeader(status)
}

// newServer serves one handler as the router does.
func newServer(t *testing.T, h handler) string {
	rt := newRouter(metrics.NewGateway(prometheus.NewRegistry(), nil), nil)
	rt.handle("GET /", h)
	server := httptest.NewServer(rt)
	t.Cleanup(server.Close)
	return server.URL
}
