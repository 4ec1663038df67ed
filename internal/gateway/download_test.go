package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
)

func jobIn(name string, phase v1alpha1.Phase) *v1alpha1.ProcessingJob {
	return &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name), ResourceVersion: "7"},
		Spec:       v1alpha1.ProcessingJobSpec{Processor: "brick", Input: v1alpha1.Input{URL: ptr.To("https://example.com/a.gcode")}},
		Status:     v1alpha1.ProcessingJobStatus{Phase: phase, Reason: "Why", Message: "in words"},
	}
}

// commit puts a result into the bucket as a pod would.
func (f *fixture) commit(job string, files map[string]string) {
	f.t.Helper()
	manifest := &storage.Manifest{PodUID: "pod"}
	for name, content := range files {
		w, err := f.store.Replace(f.t.Context(), storage.OutputKey(namespace, "uid-"+job, "pod", name))
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err == nil {
			err = w.Commit()
		}
		if err != nil {
			f.t.Fatal(err)
		}
		manifest.Files = append(manifest.Files, storage.File{Name: name, Size: int64(len(content)), SHA256: digest(content)})
	}
	if _, err := f.store.CommitResult(f.t.Context(), namespace, "uid-"+job, manifest); err != nil {
		f.t.Fatal(err)
	}
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func TestDownload(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	content := print(1000)
	f.commit("done", map[string]string{`größe "1"; x=.gcode`: content})
	etag := `"` + digest(content) + `"`
	for name, test := range map[string]struct {
		method string
		header []string
		status int
		body   string
	}{
		"whole":                     {"GET", nil, 200, content},
		"head":                      {"HEAD", nil, 200, ""},
		"a range":                   {"GET", []string{"Range", "bytes=10-19"}, 206, content[10:20]},
		"the end":                   {"GET", []string{"Range", "bytes=-5"}, 206, content[len(content)-5:]},
		"beyond the end":            {"GET", []string{"Range", "bytes=999999-"}, 416, ""},
		"unchanged":                 {"GET", []string{"If-None-Match", etag}, 304, ""},
		"a range of this content":   {"GET", []string{"Range", "bytes=0-3", "If-Range", etag}, 206, content[:4]},
		"a range of other content":  {"GET", []string{"Range", "bytes=0-3", "If-Range", `"other"`}, 200, content},
		"a range of a weak content": {"GET", []string{"Range", "bytes=0-3", "If-Range", "W/" + etag}, 200, content},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.do(test.method, "/api/v1/download/done", nil, test.header...)
			if a.status != test.status || test.status != 416 && string(a.body) != test.body {
				t.Errorf("answer %d with %d bytes, want %d with %d", a.status, len(a.body), test.status, len(test.body))
			}
			if test.status != 416 && a.header.Get("ETag") != etag {
				t.Errorf("ETag %s, want %s", a.header.Get("ETag"), etag)
			}
			if got := a.header.Get("Content-Disposition"); test.status == 200 && got != "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe%20%221%22%3B%20x%3D.gcode" {
				t.Errorf("Content-Disposition %s", got)
			}
		})
	}
	f.wantMetric(`downloads_total{status="success"}`, "6")
	f.wantMetric(`http_requests_total{endpoint="/api/v1/download/{job_id}",method="GET",status="206"}`, "3")
}

func TestDownloadOfSeveralFiles(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	f.commit("done", map[string]string{"a.gcode": "first", "b.gcode": "second"})
	if a := f.do("GET", "/api/v1/download/done", nil); a.status != 409 || a.reason() != "choose_file" || !strings.Contains(string(a.body), "b.gcode") {
		t.Errorf("no choice: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/api/v1/download/done?file=b.gcode", nil); a.status != 200 || string(a.body) != "second" {
		t.Errorf("a choice: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/api/v1/download/done?file=../result.json", nil); a.status != 404 || a.reason() != "no_such_file" {
		t.Errorf("a path: %d %s", a.status, a.body)
	}
}

// A file that ends before its end is no success, and somebody learns of it.
func TestDownloadThatBreaks(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	f.commit("done", map[string]string{"a.gcode": print(100_000)})
	file := filepath.Join(f.dir, "jobs", namespace, "uid-done", "attempts", "pod", "a.gcode")
	ended := make(chan error, 1)
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) error {
		r.SetPathValue("job_id", "done")
		err := f.allowed("get", f.download)(&vanishing{ResponseWriter: w, act: func() { _ = os.Truncate(file, 1000) }}, r)
		ended <- err
		return err
	})
	response, err := http.Get(server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if content, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the answer ended well after %d bytes", len(content))
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "1000 of") {
		t.Errorf("said to the log: %v", err)
	}
	f.wantMetric(`downloads_total{status="success"}`, "0")
}

func TestDownloadThatCannotBe(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("pending", v1alpha1.PhasePending), jobIn("running", v1alpha1.PhaseRunning),
		jobIn("failed", v1alpha1.PhaseError), jobIn("late", v1alpha1.PhaseTimeout), jobIn("lost", v1alpha1.PhaseCompleted),
		jobIn("half", v1alpha1.PhaseCompleted), jobIn("cut", v1alpha1.PhaseCompleted))
	f.commit("half", map[string]string{"a.gcode": "content"})
	if err := f.store.Delete(t.Context(), storage.OutputKey(namespace, "uid-half", "pod", "a.gcode")); err != nil {
		t.Fatal(err)
	}
	f.commit("cut", map[string]string{"a.gcode": "content"})
	w, err := f.store.Replace(t.Context(), storage.OutputKey(namespace, "uid-cut", "pod", "a.gcode"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]struct {
		status          int
		reason, counted string
	}{
		"pending": {409, "not_ready", "failed_not_ready"},
		"running": {409, "not_ready", "failed_not_ready"},
		"failed":  {409, "job_failed", "failed_not_ready"},
		"late":    {409, "job_failed", "failed_not_ready"},
		"unknown": {404, "job_not_found", "failed_not_found"},
		"..%2fx":  {404, "job_not_found", "failed_not_found"},
		"lost":    {410, "file_missing", "failed_file_missing"},
		"half":    {410, "file_missing", "failed_file_missing"},
		"cut":     {410, "file_missing", "failed_file_missing"},
	} {
		if a := f.do("GET", "/api/v1/download/"+id, nil); a.status != want.status || a.reason() != want.reason {
			t.Errorf("%s: %d %s, want %d %s", id, a.status, a.body, want.status, want.reason)
		}
	}
	f.wantMetric(`downloads_total{status="failed_not_ready"}`, "4")
	f.wantMetric(`downloads_total{status="failed_not_found"}`, "2")
	f.wantMetric(`downloads_total{status="failed_file_missing"}`, "3")
}

func TestStatus(t *testing.T) {
	job := jobIn("done", v1alpha1.PhaseCompleted)
	job.Status.Output = &v1alpha1.Output{Files: []v1alpha1.File{{Name: "a b.gcode", Size: ptr.To[int64](3), SHA256: "x"}}}
	f := newFixture(t, interceptor.Funcs{}, job)
	a := f.do("GET", "/api/v1/status/done", nil)
	var view jobView
	if err := json.Unmarshal(a.body, &view); err != nil || a.status != 200 {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	if view.JobID != "done" || view.Status != "Completed" || view.Message != "in words" ||
		view.Output[0].Download != "/api/v1/download/done?file=a+b.gcode" {
		t.Errorf("view: %s", a.body)
	}
	if again := f.do("GET", "/api/v1/status/done", nil, "If-None-Match", a.header.Get("ETag")); again.status != 304 || len(again.body) > 0 {
		t.Errorf("unchanged: %d %s", again.status, again.body)
	}
	if missing := f.do("GET", "/api/v1/status/unknown", nil); missing.status != 404 || missing.reason() != "job_not_found" {
		t.Errorf("unknown: %d %s", missing.status, missing.body)
	}
}

func TestPathsThatAreNone(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	for _, test := range []struct {
		method, path, reason string
		status               int
	}{
		{"GET", "/nothing", "not_found", 404},
		{"GET", "/api/v1/nothing/" + strings.Repeat("x", 1000), "not_found", 404},
		{"GET", "/api/v1/upload", "method_not_allowed", 405},
		{"BREW", "/api/v1/upload", "method_not_allowed", 405},
		{"DELETE", "/api/v1/status/x", "method_not_allowed", 405},
	} {
		if a := f.do(test.method, test.path, nil); a.status != test.status || a.reason() != test.reason {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, a.status, a.body, test.status, test.reason)
		}
	}
	f.wantMetric(`http_requests_total{endpoint="other",method="GET",status="404"}`, "2")
	f.wantMetric(`http_requests_total{endpoint="other",method="OTHER",status="405"}`, "1")
	if body := f.do("GET", "/metrics", nil).body; bytes.Contains(body, []byte("xxx")) || bytes.Contains(body, []byte("BREW")) {
		t.Error("a label holds what a client sent")
	}
}

func TestMemoryIsMeasured(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	if f.metric("system_memory_usage_bytes") == "0" {
		t.Error("system_memory_usage_bytes is 0")
	}
}

func TestReadiness(t *testing.T) {
	dir := smallDisk(t)
	f := newFixtureOn(t, "file://"+dir, interceptor.Funcs{})
	if a := f.do("GET", "/readyz", nil); a.status != http.StatusOK {
		t.Errorf("ready: %d %s", a.status, a.body)
	}
	f.synced = false
	if a := f.do("GET", "/readyz", nil); a.status != 503 || a.reason() != "cluster_unavailable" {
		t.Errorf("cache empty: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/healthz", nil); a.status != http.StatusOK {
		t.Errorf("healthy: %d %s", a.status, a.body)
	}
	f.synced = true
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(fill, &endless{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filled the disk: %v", err)
	}
	if err := fill.Close(); err != nil {
		t.Fatal(err)
	}
	f.ready.probed = f.ready.probed.Add(-probeEvery)
	if a := f.do("GET", "/readyz", nil); a.status != 503 || a.reason() != "storage_full" {
		t.Errorf("bucket full: %d %s", a.status, a.body)
	}
	f.wantMetric("bricklayers_bucket_failing", "1")
	if a := f.do("GET", "/readyz?exclude=bucket", nil); a.status != http.StatusOK {
		t.Errorf("bucket full, and left out: %d %s", a.status, a.body)
	}
	f.synced = false
	if a := f.do("GET", "/readyz?exclude=bucket", nil); a.status != 503 || a.reason() != "cluster_unavailable" {
		t.Errorf("cache empty, bucket left out: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/readyz?exclude=bucket&exclude=cluster", nil); a.status != http.StatusOK {
		t.Errorf("all left out: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/readyz?exclude=buckets", nil); a.status != 400 || a.reason() != "bad_field" {
		t.Errorf("a check that is none: %d %s", a.status, a.body)
	}
}

// Whoever leaves the bucket out does not wait for it, but has it probed for the metric.
func TestReadinessWithoutABucketThatHangs(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	probed, answer := make(chan struct{}), make(chan error)
	f.ready.probe = func(context.Context) error {
		close(probed)
		return <-answer
	}
	if a := f.do("GET", "/readyz?exclude=bucket", nil); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	<-probed
	answer <- errors.New("no route to host")
	if a := f.do("GET", "/readyz", nil); a.status != 503 || a.reason() != "storage_unavailable" {
		t.Errorf("bucket away: %d %s", a.status, a.body)
	}
	f.wantMetric("bricklayers_bucket_failing", "1")
}
