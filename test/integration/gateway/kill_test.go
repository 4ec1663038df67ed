package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bricklayers.dev/bricklayers/test/controlplane"
	"bricklayers.dev/bricklayers/test/tusclient"
)

var shownTime = regexp.MustCompile(`<LastModified>([^<]*)</LastModified>`)

// skewTimes has a bucket's answer tell objects' times of another clock. Its Date stays: by that the client signs, and the
// server behind would refuse it.
func skewTimes(t *testing.T, response *http.Response, skew time.Duration) {
	const field = "Last-Modified"
	if at, err := http.ParseTime(response.Header.Get(field)); err == nil {
		response.Header.Set(field, at.Add(skew).UTC().Format(http.TimeFormat))
	}
	if !strings.Contains(response.Header.Get("Content-Type"), "xml") {
		return
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	content = shownTime.ReplaceAllFunc(content, func(element []byte) []byte {
		at, err := time.Parse(time.RFC3339, string(shownTime.FindSubmatch(element)[1]))
		if err != nil {
			t.Error(err)
		}
		return fmt.Appendf(nil, "<LastModified>%s</LastModified>", at.Add(skew).UTC().Format("2006-01-02T15:04:05.000Z"))
	})
	response.Body = io.NopCloser(bytes.NewReader(content))
	response.ContentLength = int64(len(content))
	response.Header.Set("Content-Length", fmt.Sprint(len(content)))
}

// large is a print that a write to S3 takes in parts.
var large = gcode + strings.Repeat("G1 X1 Y1 E1\nG92 E0\nG1 X2 Y2 E1\nG92 E0\n", (11<<20)/38)

// steps of an upload, as the bucket and the API server see them.
var steps = map[string]func(*http.Request) bool{
	"a write in parts is begun": func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") },
	"a part is written":         func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Query().Has("partNumber") },
	"the parts are put together": func(r *http.Request) bool {
		return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
	},
	"the job is made": makesAJob,
}

func makesAJob(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/processingjobs")
}

// kill ends the gateway as nothing can be caught.
func (g *gateway) kill() {
	if err := g.command.Process.Kill(); err != nil {
		g.t.Error(err)
	}
}

// killAt has the gateway be killed before or after the first request for which step is true.
func (g *gateway) killAt(step func(*http.Request) bool, after bool) func(*http.Request) *fault {
	var once sync.Once
	return func(r *http.Request) (f *fault) {
		if !step(r) {
			return nil
		}
		once.Do(func() {
			f = &fault{before: g.kill}
			if after {
				f = &fault{after: g.kill}
			}
		})
		return f
	}
}

// sendUntilTaken tries again after a 503, as a client does.
func (g *gateway) sendUntilTaken(content, key string) (a answer) {
	g.t.Helper()
	for range 5 {
		if a = g.send(strings.NewReader(content), key); a.status != http.StatusServiceUnavailable {
			break
		}
	}
	return a
}

// TestKilledAtEveryStepOfAnUpload kills the gateway, starts it again, and has the client try again.
func TestKilledAtEveryStepOfAnUpload(t *testing.T) {
	server, bucket, flag := s3(t)
	g := newGateway(t)
	api := g.beforeAPIServer()
	g.start(flag)
	t.Cleanup(g.stop)
	sum := sha256.Sum256([]byte(large))
	tries := 0
	for name, step := range steps {
		for _, after := range []bool{false, true} {
			tries++
			key := fmt.Sprintf("key-of-an-upload-%d", tries)
			rule := g.killAt(step, after)
			bucket.set(rule)
			api.set(rule)
			first := g.send(strings.NewReader(large), key)
			if first.status != 0 {
				t.Fatalf("%s: the gateway lives, and answered %d %s", name, first.status, first.Reason)
			}
			<-g.ended
			bucket.set(nil)
			api.set(nil)
			g.start(flag)
			again := g.sendUntilTaken(large, key)
			if again.status != 201 {
				t.Fatalf("%s (after: %t): tried again it answered %d %s", name, after, again.status, again.Reason)
			}
			jobs := g.jobs()
			if len(jobs) != tries {
				t.Fatalf("%s (after: %t): %d jobs of %d keys", name, after, len(jobs), tries)
			}
			if got := string(g.job(again.JobID).Spec.Input.Upload.SHA256); got != hex.EncodeToString(sum[:]) {
				t.Errorf("%s (after: %t): the job's input has the SHA-256 %s", name, after, got)
			}
		}
	}
	g.wantStored(filepath.Join(server.Root, "prints"), large)
	g.settled(filepath.Join(server.Root, "prints"), flag)
}

// wantStored wants each job's file to be the content.
func (g *gateway) wantStored(folder, content string) {
	g.t.Helper()
	for _, job := range g.jobs() {
		name := filepath.Join(folder, "jobs", g.namespace, job.Name, "input", "a.gcode")
		if stored, err := os.ReadFile(name); err != nil || string(stored) != content {
			g.t.Errorf("stored %d bytes that are not the file: %v", len(stored), err)
		}
	}
}

// TestKilledAtEveryStepOfAResumableUpload has the client go on instead.
func TestKilledAtEveryStepOfAResumableUpload(t *testing.T) {
	server, bucket, flag := s3(t)
	g := newGateway(t)
	api := g.beforeAPIServer()
	g.start(flag)
	t.Cleanup(g.stop)
	finished := func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/finished")
	}
	part := func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/uploads/") && strings.HasSuffix(r.URL.Path, "0000")
	}
	dropped := func(r *http.Request) bool {
		return r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/uploads/")
	}
	content := large[:3<<20] // a write at once
	tries := 0
	for name, step := range map[string]func(*http.Request) bool{
		"a part is stored": part, "the job is made": makesAJob, "that is noted": finished, "the parts are dropped": dropped,
	} {
		for _, after := range []bool{false, true} {
			tries++
			rule := g.killAt(step, after)
			bucket.set(rule)
			api.set(rule)
			killed, again := false, 0
			c := &tusclient.Client{
				Server: func() string { return g.address }, Chunk: 1 << 20,
				Cut: func(int64) (int64, bool) { return 0, false },
				Failed: func(err error) error {
					if killed {
						again++ // a 503, after which a client tries again
						if again > 5 {
							return err
						}
						return nil
					}
					killed = true
					select {
					case <-g.ended:
					case <-time.After(30 * time.Second):
						return fmt.Errorf("the gateway lives, but: %w", err)
					}
					bucket.set(nil)
					api.set(nil)
					g.start(flag)
					return nil
				},
			}
			result, err := c.Upload(t.Context(), "a.gcode", strings.NewReader(content), int64(len(content)))
			if err != nil {
				t.Fatalf("%s (after: %t): %v", name, after, err)
			}
			if !killed {
				t.Errorf("%s (after: %t): the gateway was never killed", name, after)
			}
			if jobs := g.jobs(); len(jobs) != tries {
				t.Fatalf("%s (after: %t): %d jobs of %d uploads", name, after, len(jobs), tries)
			}
			g.job(result.JobID)
		}
	}
	g.wantStored(filepath.Join(server.Root, "prints"), content)
	g.settled(filepath.Join(server.Root, "prints"), flag)
}

// TestKilledInTheMiddleOfAFile has the gateway die with half a file in a folder.
func TestKilledInTheMiddleOfAFile(t *testing.T) {
	g := startGateway(t)
	body, writer := io.Pipe()
	gone := make(chan answer, 1)
	go func() { gone <- g.send(body, "key-of-half-a-file") }()
	if _, err := io.WriteString(writer, large[:1<<20]); err != nil {
		t.Fatal(err)
	}
	controlplane.Eventually(t, "the file to be begun", func(context.Context) (bool, error) {
		return len(objects(t, g.bucket)) == 1, nil
	})
	g.kill()
	<-g.ended
	_ = writer.CloseWithError(io.ErrUnexpectedEOF)
	if a := <-gone; a.status != 0 {
		t.Errorf("half a file was answered %d", a.status)
	}
	g.start()
	if n := len(g.jobs()); n > 0 {
		t.Errorf("%d jobs of half a file", n)
	}
	if a := g.send(strings.NewReader(large), "key-of-half-a-file"); a.status != 201 {
		t.Errorf("tried again it answered %d %s", a.status, a.Reason)
	}
	g.wantStored(g.bucket, large)
	g.settled(g.bucket)
}
