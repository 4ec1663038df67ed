package gateway

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// A request that is cut short does not have its checksum: the bytes were not damaged, and the client shall go on.
func TestTusChecksumOfACutRequest(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(10_000)
	sum := sha1.Sum([]byte(content))
	at := f.mustBegin(len(content), namedA)
	body, client := io.Pipe()
	go func() {
		_, _ = io.WriteString(client, content[:200_000]) // the request ends before the body does
		f.awaitBytes(128 << 10)
		f.Drain()
	}()
	a := f.patch(at, 0, body, "Upload-Checksum", "sha1 "+base64.StdEncoding.EncodeToString(sum[:]))
	f.wantStatus(a, 503, "shutting_down")
	if h := f.head(at); h.header.Get("Upload-Offset") != "0" {
		t.Errorf("bytes without their checksum were kept: %v", h.header)
	}
}

// What a client does wrong is not the gateway's failure, and what came is kept.
func TestTusBrokenBodies(t *testing.T) {
	content := print(10_000)
	half := content[:100_000]
	for name, test := range map[string]struct {
		body   string
		status int
		reason string
	}{
		"chunks that are none": {fmt.Sprintf("%x\r\n%s\r\nno chunk\r\n", len(half), half), 400, "upload_interrupted"},
		"a body that stalls":   {fmt.Sprintf("%x\r\n%s\r\n", len(half), half), 423, "upload_too_slow"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{})
			at := f.mustBegin(len(content), namedA)
			if test.status == 423 {
				f.UploadTimeout = 3 * time.Second
			}
			conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"+
				"Content-Type: application/offset+octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n%s", at, test.body)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			said, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			f.wantStatus(&answer{response.StatusCode, response.Header, said}, test.status, test.reason)
			if kept := f.offsetAfterCut(at); kept > len(half) { // of a stalled body, what came in time
				t.Errorf("kept %d bytes of %d", kept, len(half))
			}
		})
	}
}

// away is an API server that can be away, and of which the answer to a creation can be lost.
type away struct{ away, answerLost bool }

var errAway = errors.New("the API server is away")

func (a *away) funcs() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if a.away && !a.answerLost {
				return errAway
			}
			if err := c.Create(ctx, o, opts...); err != nil || !a.away {
				return err
			}
			return errAway
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, isJob := o.(*v1alpha1.ProcessingJob); isJob && a.away {
				return errAway
			}
			return c.Get(ctx, key, o, opts...)
		},
	}
}

// Whoever wants an upload gone does not want a job of it.
func TestTusTerminationMakesNoJob(t *testing.T) {
	for name, method := range map[string][]string{
		"DELETE": {http.MethodDelete}, "another method": {http.MethodPost, "X-HTTP-Method-Override", http.MethodDelete},
	} {
		t.Run(name, func(t *testing.T) {
			api := &away{away: true}
			f := newFixture(t, api.funcs())
			content := print(500)
			at := f.mustBegin(len(content), namedA)
			f.wantStatus(f.patch(at, 0, strings.NewReader(content)), 503, "cluster_unavailable")
			api.away = false
			f.wantStatus(f.do(method[0], at, nil, append([]string{"Tus-Resumable", "1.0.0"}, method[1:]...)...), 204, "")
			if jobs := f.jobs(); len(jobs) > 0 {
				t.Errorf("%d jobs", len(jobs))
			}
			f.wantStatus(f.do(http.MethodDelete, at, nil, "Tus-Resumable", "1.0.0"), 404, "upload_not_found")
		})
	}
}

// A job that was made, although nobody noted it, needs no room in a namespace that is full of it.
func TestTusQuotaOfAJobThatWasMade(t *testing.T) {
	api := &away{away: true, answerLost: true}
	f := newFixture(t, api.funcs())
	f.index = newIndex()
	f.quotas = newQuotas(Quota{Jobs: 1}, f.index)
	content := print(500)
	at := f.mustBegin(len(content), namedA)
	f.wantStatus(f.patch(at, 0, strings.NewReader(content)), 503, "cluster_unavailable")
	api.away = false
	jobs := f.jobs()
	if len(jobs) != 1 {
		t.Fatalf("%d jobs", len(jobs))
	}
	f.JobSeen(&jobs[0])
	h := f.head(at)
	if h.status != 200 || h.header.Get("Upload-Job-Id") != jobs[0].Name {
		t.Errorf("%d %v", h.status, h.header)
	}
	f.wantOneJob(content, jobs[0].Name)
	f.wantStatus(f.begin(len(content), namedA), 429, "quota_exceeded")
}

// So does an upload that is repeated with its key.
func TestTusQuotaOfARepeatedUpload(t *testing.T) {
	f := newQuotaFixture(t, Quota{Jobs: 1})
	content := print(50)
	if a := f.uploadWithKey(content, key); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	job := f.jobs()[0]
	f.JobSeen(&job)
	at := f.mustBegin(len(content), namedA, "Idempotency-Key", key)
	a := f.patch(at, 0, strings.NewReader(content))
	if a.status != 204 || a.header.Get("Upload-Job-Id") != job.Name {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	f.wantOneJob(content, job.Name)
}

// Two replicas finish an upload, and only one of them may make its job: the file is that job's.
func TestTusFinishThatIsRefusedToAnother(t *testing.T) {
	for name, refusal := range refusals {
		t.Run(name, func(t *testing.T) {
			var address string
			var other *fixture
			creations := 0
			f := newFixture(t, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				creations++
				if creations == 2 {
					return refusal.err
				}
				if a := other.head(address); a.status != refusal.status {
					t.Errorf("the other is answered %d, want %d", a.status, refusal.status)
				}
				return c.Create(ctx, o, opts...)
			}})
			other = newFixtureOn(t, "file://"+f.dir, interceptor.Funcs{})
			other.live, other.cached = f.live, f.cached
			content := print(50)
			address = f.mustBegin(len(content), namedA)
			a := f.patch(address, 0, strings.NewReader(content))
			if a.status != 204 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			f.wantOneJob(content, a.header.Get("Upload-Job-Id"))
		})
	}
}
