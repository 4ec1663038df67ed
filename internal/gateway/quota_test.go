package gateway

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func newQuotaFixture(t *testing.T, quota Quota) *fixture {
	f := newFixture(t, interceptor.Funcs{})
	f.index = newIndex()
	f.quotas = newQuotas(quota, f.index)
	return f
}

// keep has the cache know a job that keeps so many bytes.
func (f *fixture) keep(name string, in, out int64) {
	job := jobIn(name, v1alpha1.PhaseCompleted)
	job.Spec.Input = v1alpha1.Input{Upload: &v1alpha1.UploadInput{Name: "a", Size: ptr.To(in)}}
	job.Status.Output = &v1alpha1.Output{Files: []v1alpha1.File{{Name: "b", Size: ptr.To(out)}}}
	f.JobSeen(job)
}

func (f *fixture) uploadRaw(body io.Reader) *answer {
	f.t.Helper()
	return f.do(http.MethodPost, "/api/v1/upload?name=a.gcode", body)
}

func TestQuotaOfJobs(t *testing.T) {
	f := newQuotaFixture(t, Quota{Jobs: 2})
	f.keep("a", 1, 1)
	if a := f.uploadRaw(strings.NewReader(print(100))); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.keep("b", 1, 1)
	f.keep("b", 1, 1) // another version of it
	a := f.uploadRaw(strings.NewReader(print(100)))
	if a.status != 429 || a.reason() != "quota_exceeded" || a.header.Get("Retry-After") != "60" {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
	tus := f.do(http.MethodPost, "/api/v1/uploads/", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "10", "Upload-Metadata", "filename YS5nY29kZQ==")
	if tus.status != 429 || tus.reason() != "quota_exceeded" {
		t.Errorf("a resumable upload: %d %s", tus.status, tus.body)
	}
	f.JobGone(types.NamespacedName{Namespace: namespace, Name: "b"})
	if a := f.uploadRaw(strings.NewReader(print(100))); a.status != 201 {
		t.Errorf("after one is gone: %d %s", a.status, a.body)
	}
	if len(f.quotas.coming) != 0 {
		t.Errorf("still coming: %v", f.quotas.coming)
	}
}

func TestQuotaOfBytes(t *testing.T) {
	content := print(1000)
	f := newQuotaFixture(t, Quota{Bytes: 100_000})
	f.keep("a", 50_000, 50_001-int64(len(content)))
	a := f.uploadRaw(strings.NewReader(content))
	if a.status != 507 || a.reason() != "quota_exceeded" {
		t.Errorf("one byte too many: %d %s", a.status, a.body)
	}
	if files := f.stored(); len(files) != 0 {
		t.Errorf("kept %v", files)
	}
	f.keep("a", 50_000, 50_000-int64(len(content)))
	if a := f.uploadRaw(strings.NewReader(content)); a.status != 201 {
		t.Errorf("just enough: %d %s", a.status, a.body)
	}
	f.wantMetric(`uploads_total{status="failed_error"}`, "1")
}

// Uploads under way count, each for itself.
func TestQuotaCountsWhatIsComing(t *testing.T) {
	f := newQuotaFixture(t, Quota{Jobs: 1})
	body, rest := io.Pipe()
	first := make(chan *answer)
	go func() { first <- f.uploadRaw(body) }()
	if _, err := io.WriteString(rest, print(100)); err != nil {
		t.Fatal(err)
	}
	// The handler may not have begun to read yet when the client has sent.
	for {
		a := f.uploadRaw(strings.NewReader(print(100)))
		if a.status == 429 {
			break
		}
		if a.status != 201 {
			t.Fatalf("beside one under way: %d %s", a.status, a.body)
		}
	}
	if err := rest.Close(); err != nil {
		t.Fatal(err)
	}
	if a := <-first; a.status != 201 {
		t.Errorf("the first: %d %s", a.status, a.body)
	}
}

func TestClaimsOfBytesAddUp(t *testing.T) {
	q := newQuotas(Quota{Bytes: 100}, newIndex())
	first, err := q.newClaim(namespace)
	if err != nil || first.grow(60) != nil {
		t.Fatal(err)
	}
	second, err := q.newClaim(namespace)
	if err != nil || second.grow(60) == nil {
		t.Errorf("60 and 60 of 100: %v", err)
	}
	if err := second.grow(40); err != nil {
		t.Errorf("60 and 40 of 100: %v", err)
	}
	first.release()
	if err := second.grow(60); err != nil {
		t.Errorf("100 of 100: %v", err)
	}
}

func TestIndexCountsBytes(t *testing.T) {
	f := newQuotaFixture(t, Quota{Bytes: 1})
	for i := range 10 {
		f.keep(strconv.Itoa(i), int64(i), 100)
		f.keep(strconv.Itoa(i), int64(i), 200)
	}
	f.JobGone(types.NamespacedName{Namespace: namespace, Name: "9"})
	if got, want := f.index.usage(namespace), (usage{jobs: 9, bytes: 36 + 9*200}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
