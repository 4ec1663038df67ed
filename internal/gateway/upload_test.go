package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func TestUploadMakesAJob(t *testing.T) {
	content := print(100)
	sum := sha256.Sum256([]byte(content))
	file := part{"file", "benchy.gcode", content}
	fields := []part{{"processor", "", "brick"}, {"parameters[multiplier]", "", "1.08"}, {"priority", "", "10"}}
	for name, parts := range map[string][]part{
		"file last":   append(append([]part{}, fields...), file),
		"file first":  append([]part{file}, fields...),
		"file middle": {fields[0], file, fields[1], fields[2]},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{})
			a := f.upload(parts...)
			if a.status != http.StatusCreated {
				t.Fatalf("answer %d: %s", a.status, a.body)
			}
			var view jobView
			if err := json.Unmarshal(a.body, &view); err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(view.JobID) || view.Status != v1alpha1.PhasePending {
				t.Errorf("job_id %q, status %q", view.JobID, view.Status)
			}
			if location := a.header.Get("Location"); location != "/api/v1/status/"+view.JobID {
				t.Errorf("Location %q", location)
			}
			jobs := f.jobs()
			if len(jobs) != 1 || jobs[0].Name != view.JobID || jobs[0].Namespace != namespace {
				t.Fatalf("jobs: %+v", jobs)
			}
			spec := jobs[0].Spec
			if spec.Processor != "brick" || spec.Parameters["multiplier"] != "1.08" || *spec.Priority != 10 {
				t.Errorf("spec: %+v", spec)
			}
			in := spec.Input.Upload
			if in == nil || in.Name != "benchy.gcode" || *in.Size != int64(len(content)) || string(in.SHA256) != hex.EncodeToString(sum[:]) {
				t.Errorf("input: %+v", in)
			}
			kept, err := os.ReadFile(filepath.Join(f.dir, "jobs", namespace, view.JobID, "input", "benchy.gcode"))
			if err != nil || string(kept) != content {
				t.Errorf("stored %d bytes of %d: %v", len(kept), len(content), err)
			}
			f.wantMetric(`uploads_total{status="success"}`, "1")
			f.wantMetric(`upload_file_size_bytes_count`, "1")
			f.wantMetric(`http_requests_total{endpoint="/api/v1/upload",method="POST",status="201"}`, "1")
		})
	}
}

func TestUploadOfARawBody(t *testing.T) {
	for name, test := range map[string]struct {
		path   string
		header []string
	}{
		"name in the address": {"?name=part.gcode&processor=brick&parameters[multiplier]=1.1", nil},
		"name in a header":    {"", []string{"Content-Disposition", `attachment; filename="part.gcode"`}},
		"as curl sends it":    {"?name=part.gcode", []string{"Content-Type", "application/x-www-form-urlencoded"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{})
			a := f.do(http.MethodPost, "/api/v1/upload"+test.path, strings.NewReader(print(50)), test.header...)
			if a.status != http.StatusCreated {
				t.Fatalf("answer %d: %s", a.status, a.body)
			}
			if job := f.jobs()[0]; job.Spec.Input.Upload.Name != "part.gcode" {
				t.Errorf("input: %+v", job.Spec.Input.Upload)
			}
		})
	}
}

func TestUploadRefusesBadInput(t *testing.T) {
	good := part{"file", "a.gcode", print(50)}
	large := part{"file", "a.gcode", print(20000)}
	huge := part{"file", "a.gcode", strings.Repeat(print(20000), 4)}
	for name, test := range map[string]struct {
		parts  []part
		status int
		reason string
	}{
		"no part":                {nil, 400, "no_file"},
		"no file field":          {[]part{{"processor", "", "brick"}}, 400, "no_file"},
		"file without a name":    {[]part{{"file", "", "G1 X1"}}, 400, "bad_name"},
		"hostile name":           {[]part{{"file", "....", "G1 X1"}}, 400, "bad_name"},
		"two files":              {[]part{good, good}, 400, "bad_form"},
		"empty":                  {[]part{{"file", "a.gcode", ""}}, 400, "empty"},
		"too large":              {[]part{{"processor", "", "brick"}, large}, 413, "file_too_large"},
		"too large, told later":  {[]part{large, {"processor", "", "brick"}}, 413, "file_too_large"},
		"too large for anything": {[]part{huge}, 413, "file_too_large"},
		"wrong extension":        {[]part{{"file", "a.stl", print(50)}}, 415, "invalid_extension"},
		"junk":                   {[]part{{"file", "a.gcode", strings.Repeat("lorem ipsum\n", 1000)}}, 422, "no_motion"},
		"binary":                 {[]part{{"file", "a.gcode", "\x00\x01\x02\x03" + print(50)}}, 422, "binary_data"},
		"a picture":              {[]part{{"file", "a.gcode", "\x89PNG\r\n\x1a\n" + print(50)}}, 422, "not_gcode_picture"},
		"a picture, told later":  {[]part{{"file", "a.gcode", "\x89PNG\r\n\x1a\n" + print(50)}, {"processor", "", "brick"}}, 422, "not_gcode_picture"},
		"unknown processor":      {[]part{{"processor", "", "mason"}, good}, 404, "processor_not_found"},
		"unknown processor last": {[]part{good, {"processor", "", "mason"}}, 404, "processor_not_found"},
		"processor as a path":    {[]part{{"processor", "", "../brick"}, good}, 404, "processor_not_found"},
		"out of bounds":          {[]part{{"parameters[multiplier]", "", "2"}, good}, 400, "invalid_parameters"},
		"out of bounds last":     {[]part{good, {"parameters[multiplier]", "", "2"}}, 400, "invalid_parameters"},
		"unknown parameter":      {[]part{{"parameters[x]", "", "2"}, good}, 400, "invalid_parameters"},
		"parameter twice":        {[]part{{"parameters[multiplier]", "", "1"}, {"parameters[multiplier]", "", "1"}, good}, 400, "bad_field"},
		"unknown field":          {[]part{{"prio", "", "2"}, good}, 400, "bad_field"},
		"priority no number":     {[]part{{"priority", "", "high"}, good}, 400, "bad_field"},
		"priority out of bounds": {[]part{{"priority", "", "1000001"}, good}, 400, "bad_field"},
		"long field":             {[]part{{"processor", "", strings.Repeat("x", 5000)}, good}, 400, "bad_field"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{})
			f.wantRefused(f.upload(test.parts...), test.status, test.reason)
			counted := "failed_validation"
			if test.reason == "file_too_large" {
				counted = "failed_size"
			}
			f.wantMetric(`uploads_total{status="`+counted+`"}`, "1")
			f.wantMetric(`upload_validation_failures_total{reason="`+test.reason+`"}`, "1")
		})
	}
}

// wantRefused checks a problem, and that nothing was kept.
func (f *fixture) wantRefused(a *answer, status int, reason string) {
	f.t.Helper()
	if a.status != status || a.reason() != reason || a.header.Get("Content-Type") != "application/problem+json" {
		f.t.Errorf("answer %d %s %s, want %d %s: %s", a.status, a.header.Get("Content-Type"), a.reason(), status, reason, a.body)
	}
	if names := f.stored(); len(names) > 0 {
		f.t.Errorf("bytes were kept: %v", names)
	}
	if jobs := f.jobs(); len(jobs) > 0 {
		f.t.Errorf("a job was made: %v", jobs[0].Name)
	}
}

func TestUploadRefusesBadBodies(t *testing.T) {
	whole := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.gcode\"\r\n\r\n" + print(50) + "\r\n--b--\r\n"
	for name, test := range map[string]struct {
		path, contentType, body string
		status                  int
		reason                  string
	}{
		"empty body":        {"", "", "", 400, "no_file"},
		"empty file":        {"?name=a.gcode", "", "", 400, "empty"},
		"no name":           {"", "text/plain", print(50), 400, "no_file"},
		"no boundary":       {"", "multipart/form-data", whole, 400, "bad_form"},
		"multipart/mixed":   {"", "multipart/mixed; boundary=b", whole, 400, "bad_form"},
		"cut in the file":   {"", "multipart/form-data; boundary=b", whole[:200], 400, "upload_interrupted"},
		"cut at the end":    {"", "multipart/form-data; boundary=b", strings.TrimSuffix(whole, "--b--\r\n"), 400, "upload_interrupted"},
		"raw, too large":    {"?name=a.gcode", "", print(20000), 413, "file_too_large"},
		"file as a field":   {"?file=x&name=a.gcode", "", print(50), 400, "bad_field"},
		"unknown in query":  {"?nome=a.gcode", "", print(50), 400, "bad_field"},
		"unknown processor": {"?name=a.gcode&processor=mason", "", print(50), 404, "processor_not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{})
			f.wantRefused(f.do(http.MethodPost, "/api/v1/upload"+test.path, strings.NewReader(test.body), "Content-Type", test.contentType), test.status, test.reason)
		})
	}
}

// endless is a file without an end.
type endless struct{ sent int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "G1 X1 Y1 E1\n"[(e.sent+i)%12]
	}
	e.sent += len(p)
	return len(p), nil
}

func TestUploadIsRefusedAsSoonAsItIsTooLarge(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	body := &endless{}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.server.URL+"/api/v1/upload?name=a.gcode", io.LimitReader(body, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge || body.sent > 64<<20 {
		t.Errorf("answer %d after %d bytes; the limit is 256 KiB", response.StatusCode, body.sent)
	}
}

func TestUploadThatStalls(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	f.UploadTimeout = 100 * time.Millisecond
	body, writer := io.Pipe()
	go func() { _, _ = io.WriteString(writer, print(50)) }() // and then nothing, without an end
	a := f.do(http.MethodPost, "/api/v1/upload?name=a.gcode", body)
	f.wantRefused(a, 408, "upload_too_slow")
	f.wantMetric(`uploads_total{status="failed_error"}`, "1")
}

func TestUploadFromAnotherOriginIsRefused(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	a := f.do(http.MethodPost, "/api/v1/upload?name=a.gcode", strings.NewReader(print(50)), "Sec-Fetch-Site", "cross-site")
	f.wantRefused(a, 403, "cross_origin")
}

// brokenPipe is a body that ends with an error after some bytes, as of a client that goes away.
type brokenPipe struct{ left *strings.Reader }

func (b brokenPipe) Read(p []byte) (int, error) {
	if b.left.Len() == 0 {
		return 0, errors.New("the client is gone")
	}
	return b.left.Read(p)
}

func TestUploadOfAClientThatGoesAway(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.server.URL+"/api/v1/upload?name=a.gcode",
		brokenPipe{strings.NewReader(print(5000))})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil {
		_ = response.Body.Close()
		t.Fatal("the request succeeded")
	}
	f.server.Close() // waits for the handler
	if names := f.stored(); len(names) > 0 {
		t.Errorf("bytes were kept: %v", names)
	}
}

const key = "3f0e4b52-8a7e-4a5c-9f38-1c52ab5d3c11"

func (f *fixture) uploadWithKey(content, key string) *answer {
	f.t.Helper()
	return f.do(http.MethodPost, "/api/v1/upload?name=a.gcode", strings.NewReader(content), "Idempotency-Key", key)
}

func TestIdempotencyKey(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	first := f.uploadWithKey(print(50), key)
	again := f.uploadWithKey(print(50), key)
	if first.status != 201 || again.status != 201 || string(first.body) != string(again.body) {
		t.Errorf("first %d %s, again %d %s", first.status, first.body, again.status, again.body)
	}
	if other := f.uploadWithKey(print(51), key); other.status != 422 || other.reason() != "idempotency_key_reused" {
		t.Errorf("other content: %d %s", other.status, other.body)
	}
	if weak := f.uploadWithKey(print(50), "1"); weak.status != 400 || weak.reason() != "bad_idempotency_key" {
		t.Errorf("weak key: %d %s", weak.status, weak.body)
	}
	if jobs, names := f.jobs(), f.stored(); len(jobs) != 1 || len(names) != 1 {
		t.Errorf("%d jobs, files %v; want one of each", len(jobs), names)
	}
}

func TestIdempotencyKeyAfterAnInterruptedUpload(t *testing.T) {
	down := true
	f := newFixture(t, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if down {
			return apierrors.NewServerTimeout(v1alpha1.GroupVersion.WithResource("processingjobs").GroupResource(), "create", 1)
		}
		return c.Create(ctx, o, opts...)
	}})
	a := f.uploadWithKey(print(50), key)
	if a.status != 503 || a.reason() != "cluster_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("API server away: %d %s", a.status, a.body)
	}
	if names := f.stored(); len(names) != 1 {
		t.Errorf("the job may still appear, but its file is gone: %v", names)
	}
	down = false
	if a := f.uploadWithKey(print(51), key); a.status != 409 || a.reason() != "idempotency_key_in_use" {
		t.Errorf("other content: %d %s", a.status, a.body)
	}
	if a := f.uploadWithKey(print(50), key); a.status != 201 {
		t.Errorf("same content: %d %s", a.status, a.body)
	}
}

func TestIdempotencyKeyWhoseOldFileIsSweptMeanwhile(t *testing.T) {
	var f *fixture
	uploads := 0
	f = newFixture(t, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		uploads++
		if uploads == 1 {
			return errors.New("the API server is away")
		}
		if err := f.store.Delete(ctx, f.stored()[0]); uploads == 2 && err != nil { // the sweep
			t.Error(err)
		}
		return c.Create(ctx, o, opts...)
	}})
	for _, want := range []int{503, 503} {
		if a := f.uploadWithKey(print(50), key); a.status != want {
			t.Errorf("answer %d %s, want %d", a.status, a.body, want)
		}
	}
	if jobs := f.jobs(); len(jobs) > 0 {
		t.Errorf("a job without its file: %s", jobs[0].Name)
	}
}

// The file of a job that is being made stays, though the job is refused to another request of the same key.
func TestIdempotencyKeyThatIsRefusedToAnother(t *testing.T) {
	for name, refusal := range refusals {
		t.Run(name, func(t *testing.T) {
			var f *fixture
			creations := 0
			f = newFixture(t, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				creations++
				if creations == 2 {
					return refusal.err
				}
				if a := f.uploadWithKey(print(50), key); a.status != refusal.status || a.reason() != refusal.reason {
					t.Errorf("the other is answered %d %s, want %d %s", a.status, a.body, refusal.status, refusal.reason)
				}
				return c.Create(ctx, o, opts...)
			}})
			if a := f.uploadWithKey(print(50), key); a.status != 201 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			f.wantOneJob(print(50), f.jobs()[0].Name)
		})
	}
}

// refusals are errors by which the API server says that a job will not be.
var refusals = func() map[string]refusal {
	resource := v1alpha1.GroupVersion.WithResource("processingjobs").GroupResource()
	return map[string]refusal{
		"invalid":   {apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("ProcessingJob").GroupKind(), "x", nil), 422, "job_refused"},
		"quota":     {apierrors.NewForbidden(resource, "x", errors.New("exceeded quota")), 429, "quota_exceeded"},
		"forbidden": {apierrors.NewForbidden(resource, "x", errors.New("no role")), 503, "cluster_unavailable"},
		"throttled": {apierrors.NewTooManyRequestsError("slow down"), 503, "cluster_unavailable"},
	}
}()

type refusal struct {
	err    error
	status int
	reason string
}

func TestUploadWhoseJobIsRefused(t *testing.T) {
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
				return test.err
			}})
			f.wantRefused(f.upload(part{"file", "a.gcode", print(50)}), test.status, test.reason)
		})
	}
}

func TestUploadWhoseAnswerFromTheAPIServerIsLost(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if err := c.Create(ctx, o, opts...); err != nil {
			return err
		}
		return errors.New("connection reset by peer")
	}})
	if a := f.upload(part{"file", "a.gcode", print(50)}); a.status != 201 {
		t.Errorf("answer %d: %s", a.status, a.body)
	}
}

// The upload's time ends with a creation that takes long, but succeeds.
func TestUploadWhoseJobIsMadeSlowly(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := c.Create(ctx, o, opts...); err != nil {
				return err
			}
			return context.DeadlineExceeded
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
	u := &upload{gateway: f.Gateway, ctx: t.Context(), namespace: namespace, jobID: "a", processor: processor(),
		parameters: map[string]string{}, fileName: "a.gcode"}
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if job, err := u.create(late); err != nil || job.Name != "a" {
		t.Errorf("made %v: %v", job, err)
	}
}

func TestUploadIntoAFullBucket(t *testing.T) {
	dir := smallDisk(t)
	f := newFixtureOn(t, "file://"+dir, interceptor.Funcs{})
	f.dir = dir
	a := f.upload(part{"file", "a.gcode", print(5000)})
	f.wantRefused(a, 507, "storage_full")
	f.wantMetric(`uploads_total{status="failed_error"}`, "1")
}
