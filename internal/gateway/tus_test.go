package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/storage/storagetest"
)

func metadata(fields map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		pairs = append(pairs, key+" "+base64.StdEncoding.EncodeToString([]byte(fields[key])))
	}
	return strings.Join(pairs, ",")
}

var namedA = map[string]string{"filename": "a.gcode"}

// begin creates a resumable upload.
func (f *fixture) begin(size int, fields map[string]string, header ...string) *answer {
	f.t.Helper()
	return f.do(http.MethodPost, "/api/v1/uploads/", nil, append([]string{
		"Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata(fields),
	}, header...)...)
}

func (f *fixture) mustBegin(size int, fields map[string]string, header ...string) (address string) {
	f.t.Helper()
	a := f.begin(size, fields, header...)
	if a.status != 201 || !strings.HasPrefix(a.header.Get("Location"), "/api/v1/uploads/") {
		f.t.Fatalf("creation: %d %v %s", a.status, a.header, a.body)
	}
	return a.header.Get("Location")
}

func (f *fixture) patch(address string, offset int, content io.Reader, header ...string) *answer {
	f.t.Helper()
	return f.do(http.MethodPatch, address, content, append([]string{
		"Tus-Resumable", "1.0.0", "Upload-Offset", strconv.Itoa(offset),
		"Content-Type", "application/offset+octet-stream",
	}, header...)...)
}

func (f *fixture) head(address string) *answer {
	f.t.Helper()
	return f.do(http.MethodHead, address, nil, "Tus-Resumable", "1.0.0")
}

// wantOneJob wants one job of the content, its input as its only file, and the parts gone.
func (f *fixture) wantOneJob(content, id string) *v1alpha1.ProcessingJob {
	f.t.Helper()
	jobs := f.jobs()
	if len(jobs) != 1 || jobs[0].Name != id || id == "" {
		f.t.Fatalf("%d jobs, want %q", len(jobs), id)
	}
	input := jobs[0].Spec.Input.Upload
	sum := sha256.Sum256([]byte(content))
	if string(input.SHA256) != hex.EncodeToString(sum[:]) || *input.Size != int64(len(content)) {
		f.t.Errorf("the job's input is %+v", input)
	}
	object, err := f.store.Open(f.t.Context(), storage.InputKey(namespace, id, string(input.Name)))
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	if stored, err := io.ReadAll(object); err != nil || string(stored) != content {
		f.t.Errorf("stored %d bytes that are not the file: %v", len(stored), err)
	}
	err = f.store.Walk(f.t.Context(), "", func(o storage.Listed) error {
		if strings.HasPrefix(o.Key, "uploads/") && o.Size > 500 {
			f.t.Errorf("%s is still there", o.Key)
		}
		return nil
	})
	if err != nil {
		f.t.Error(err)
	}
	return &jobs[0]
}

func TestTusTellsWhatItCan(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	a := f.do(http.MethodOptions, "/api/v1/uploads/", nil)
	want := "creation,creation-with-upload,termination,expiration,checksum"
	if a.status != 200 || a.header.Get("Tus-Extension") != want || a.header.Get("Tus-Version") != "1.0.0" ||
		a.header.Get("Tus-Checksum-Algorithm") != "sha1,sha256,sha512" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestTusInOneRequest(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(500)
	address := f.mustBegin(len(content), map[string]string{
		"filename": "../a.gcode", "filetype": "text/plain", "processor": "brick", "priority": "7",
		"parameters": `{"multiplier": 1.10}`,
	})
	a := f.patch(address, 0, strings.NewReader(content))
	if a.status != 204 || a.header.Get("Upload-Offset") != strconv.Itoa(len(content)) {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	id := a.header.Get("Upload-Job-Id")
	job := f.wantOneJob(content, id)
	if job.Spec.Parameters["multiplier"] != "1.10" || *job.Spec.Priority != 7 || job.Spec.Processor != "brick" {
		t.Errorf("the job is %+v", job.Spec)
	}
	if a.header.Get("Content-Location") != "/api/v1/status/"+id {
		t.Errorf("the status is said to be at %q", a.header.Get("Content-Location"))
	}
	h := f.head(address)
	if h.status != 200 || h.header.Get("Upload-Job-Id") != id || h.header.Get("Upload-Offset") != strconv.Itoa(len(content)) {
		t.Errorf("afterwards: %d %v", h.status, h.header)
	}
	f.wantMetric(`uploads_total{status="success"}`, "1")
	f.wantMetric(`http_requests_total{endpoint="/api/v1/uploads/{upload_id}",method="PATCH",status="204"}`, "1")
}

func TestTusWithCreation(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(500)
	a := f.do(http.MethodPost, "/api/v1/uploads/", strings.NewReader(content), "Tus-Resumable", "1.0.0",
		"Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", metadata(namedA),
		"Content-Type", "application/offset+octet-stream")
	if a.status != 201 || a.header.Get("Upload-Expires") == "" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	f.wantOneJob(content, a.header.Get("Upload-Job-Id"))
}

// Each request goes to another replica: they share the bucket and the API server, nothing else.
func TestTusThroughTwoReplicas(t *testing.T) {
	for name, bucket := range map[string]func(*testing.T) string{
		"file": func(t *testing.T) string { return "file://" + t.TempDir() },
		"s3":   func(t *testing.T) string { return storagetest.S3(t).BucketURL() },
	} {
		t.Run(name, func(t *testing.T) {
			address := bucket(t)
			one := newFixtureOn(t, address, interceptor.Funcs{})
			other := newFixtureOn(t, address, interceptor.Funcs{})
			other.live, other.cached = one.live, one.cached
			replicas := []*fixture{one, other}
			content := print(900)
			at := one.mustBegin(len(content), namedA)
			for offset, n := 0, 0; offset < len(content); n++ {
				end := min(offset+5000, len(content))
				a := replicas[n%2].patch(at, offset, strings.NewReader(content[offset:end]))
				if a.status != 204 || a.header.Get("Upload-Offset") != strconv.Itoa(end) {
					t.Fatalf("at %d: %d %s", offset, a.status, a.body)
				}
				if h := replicas[(n+1)%2].head(at); h.header.Get("Upload-Offset") != strconv.Itoa(end) {
					t.Fatalf("the other replica says %s instead of %d", h.header.Get("Upload-Offset"), end)
				}
				offset = end
			}
			one.wantOneJob(content, one.head(at).header.Get("Upload-Job-Id"))
		})
	}
}

// Of two requests at one offset one wins, whichever replicas they go to.
func TestTusTwoAtOneOffset(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(900)
	at := f.mustBegin(len(content), namedA)
	id := strings.TrimPrefix(at, "/api/v1/uploads/")
	w, err := f.store.CreatePart(t.Context(), namespace, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	body := &during{Reader: strings.NewReader(content[:9000]), do: func() { // another replica's request
		if _, err := io.WriteString(w, content[:4000]); err != nil {
			t.Error(err)
		}
		if err := w.Commit(); err != nil {
			t.Error(err)
		}
	}}
	if a := f.patch(at, 0, body); a.status != 409 || a.reason() != "mismatched_offset" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if h := f.head(at); h.header.Get("Upload-Offset") != "4000" {
		t.Errorf("the upload is at %s", h.header.Get("Upload-Offset"))
	}
	if a := f.patch(at, 4000, strings.NewReader(content[4000:])); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	f.wantOneJob(content, f.head(at).header.Get("Upload-Job-Id"))
}

// during does something while a body is being read.
type during struct {
	io.Reader
	do func()
}

func (d *during) Read(p []byte) (int, error) {
	if d.do != nil {
		d.do()
		d.do = nil
	}
	return d.Reader.Read(p)
}

func TestTusKeepsWhatCameBeforeTheClientWent(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(4000)
	at := f.mustBegin(len(content), namedA)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, f.server.URL+at,
		brokenPipe{strings.NewReader(content[:70_000])})
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = int64(len(content))
	request.Header = http.Header{
		"Tus-Resumable": {"1.0.0"}, "Upload-Offset": {"0"}, "Content-Type": {"application/offset+octet-stream"},
	}
	if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
		_ = response.Body.Close()
		t.Fatal("the request succeeded")
	}
	offset := f.offsetAfterCut(at)
	if offset > 70_000 {
		t.Fatalf("the upload is at %d", offset)
	}
	f.wantMetric(`uploads_total{status="failed_error"}`, "0")
	if a := f.patch(at, offset, strings.NewReader(content[offset:])); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.wantOneJob(content, f.head(at).header.Get("Upload-Job-Id"))
}

// offsetAfterCut waits until what came before a cut is kept. It looks into the bucket: to ask the replica would interrupt
// a request that is not at its end yet.
func (f *fixture) offsetAfterCut(at string) int {
	f.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		p, err := f.store.Progress(f.t.Context(), namespace, strings.TrimPrefix(at, "/api/v1/uploads/"))
		if err != nil {
			f.t.Fatal(err)
		}
		if p.Offset > 0 {
			return int(p.Offset)
		}
		if time.Now().After(deadline) {
			f.t.Fatal("nothing is kept of a request that was cut")
		}
	}
}

// A process that is told to stop keeps what has come, and says that another goes on.
func TestTusInAReplicaThatStops(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(10_000)
	at := f.mustBegin(len(content), namedA)
	body, client := io.Pipe()
	go func() {
		_, _ = io.WriteString(client, content[:200_000]) // the request ends before the body does
		f.awaitBytes(128 << 10)
		f.Drain()
	}()
	a := f.patch(at, 0, body)
	f.wantStatus(a, 503, "shutting_down")
	offset := f.offsetAfterCut(at)
	other := newFixtureOn(t, "file://"+f.dir, interceptor.Funcs{})
	other.live, other.cached = f.live, f.cached
	f.wantStatus(other.patch(at, offset, strings.NewReader(content[offset:])), 204, "")
	f.wantOneJob(content, other.head(at).header.Get("Upload-Job-Id"))
}

// awaitBytes waits until the bucket's folder holds some bytes, also of a file that is not committed.
func (f *fixture) awaitBytes(want int64) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		have := int64(0)
		for _, name := range f.stored() {
			if info, err := os.Stat(filepath.Join(f.dir, name)); err == nil {
				have += info.Size()
			}
		}
		if have >= want {
			return
		}
	}
	f.t.Errorf("%d bytes did not arrive", want)
}

func TestTusTermination(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	at := f.mustBegin(100, namedA)
	f.wantStatus(f.patch(at, 0, strings.NewReader("G28\n")), 204, "")
	f.wantStatus(f.do(http.MethodDelete, at, nil, "Tus-Resumable", "1.0.0"), 204, "")
	if names := f.stored(); len(names) > 0 {
		t.Errorf("kept %v", names)
	}
	f.wantStatus(f.do(http.MethodDelete, at, nil, "Tus-Resumable", "1.0.0"), 404, "upload_not_found")
}

// When the API server is away at the last byte, the client comes back for the answer.
func TestTusWhoseJobCannotBeMadeYet(t *testing.T) {
	for name, chunk := range map[string]int{"in one request": 1 << 20, "in several": 7000} {
		t.Run(name, func(t *testing.T) {
			away := true
			f := newFixture(t, interceptor.Funcs{
				Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
					if away {
						return errors.New("the API server is away")
					}
					return c.Create(ctx, o, opts...)
				},
			})
			content := print(500)
			at := f.mustBegin(len(content), namedA)
			var a *answer
			for offset := 0; offset < len(content); offset += chunk {
				a = f.patch(at, offset, strings.NewReader(content[offset:min(offset+chunk, len(content))]))
			}
			f.wantStatus(a, 503, "cluster_unavailable")
			if h := f.head(at); h.status != 503 || h.header.Get("Retry-After") == "" {
				t.Errorf("while it is away: %d %v", h.status, h.header)
			}
			away = false
			h := f.head(at)
			if h.status != 200 || h.header.Get("Upload-Offset") != strconv.Itoa(len(content)) {
				t.Errorf("once it is back: %d %v", h.status, h.header)
			}
			f.wantOneJob(content, h.header.Get("Upload-Job-Id"))
		})
	}
}

// Two resumable uploads and a plain one with one key make one job.
func TestTusIdempotencyKey(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(50)
	first := f.mustBegin(len(content), namedA, "Idempotency-Key", key)
	second := f.mustBegin(len(content), namedA, "Idempotency-Key", key)
	a := f.patch(first, 0, strings.NewReader(content))
	b := f.patch(second, 0, strings.NewReader(content))
	c := f.uploadWithKey(content, key)
	id := a.header.Get("Upload-Job-Id")
	if a.status != 204 || b.status != 204 || c.status != 201 || b.header.Get("Upload-Job-Id") != id ||
		c.header.Get("Location") != "/api/v1/status/"+id {
		t.Errorf("%d %v, %d %v, %d %v", a.status, a.header, b.status, b.header, c.status, c.header)
	}
	f.wantOneJob(content, id)
	other := f.mustBegin(len(content)+1, namedA, "Idempotency-Key", key)
	f.wantStatus(f.patch(other, 0, strings.NewReader(content+"\n")), 409, "idempotency_key_in_use")
}

func TestTusWithAnotherMethod(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(50)
	at := f.mustBegin(len(content), namedA)
	a := f.do(http.MethodPost, at, strings.NewReader(content), "Tus-Resumable", "1.0.0", "Upload-Offset", "0",
		"Content-Type", "application/offset+octet-stream", "X-HTTP-Method-Override", "PATCH")
	f.wantStatus(a, 204, "")
	f.wantOneJob(content, a.header.Get("Upload-Job-Id"))
}

func TestTusPartsAreBounded(t *testing.T) {
	server := storagetest.S3(t)
	f := newFixtureOn(t, server.BucketURL(), interceptor.Funcs{})
	f.MaxUploadSize = 1 << 30
	processor := &v1alpha1.Processor{}
	if err := f.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "brick"}, processor); err != nil {
		t.Fatal(err)
	}
	processor.Spec.Accepts.MaxSize = ptr.To(resource.MustParse("1Gi"))
	if err := f.client.Update(t.Context(), processor); err != nil {
		t.Fatal(err)
	}
	content := print(10)
	content += strings.Repeat("G1 X1 Y1 E1\nG92 E0\n", (65<<20)/19)
	at := f.mustBegin(len(content), namedA)
	progress := func() *storage.Progress {
		p, err := f.store.Progress(t.Context(), namespace, strings.TrimPrefix(at, "/api/v1/uploads/"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	f.wantStatus(f.patch(at, 0, strings.NewReader(content[:len(content)-1])), 204, "")
	if p := progress(); len(p.Parts) != 2 || p.Parts[0].Size != 64<<20 {
		t.Errorf("the parts are %v", p.Parts)
	}
	f.wantStatus(f.patch(at, len(content)-1, strings.NewReader(content[len(content)-1:])), 204, "")
	f.wantOneJob(content, f.head(at).header.Get("Upload-Job-Id"))
}
