package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/test/controlplane"
)

// answer is an answer, or that there was none.
type answer struct {
	status int
	header http.Header
	JobID  string `json:"job_id"`
	Reason string `json:"reason"`
}

// send sends a file, and does not mind when there is no answer.
func (g *gateway) send(body io.Reader, key string) answer {
	g.t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+g.address+"/api/v1/upload?name=a.gcode", body)
	if err != nil {
		g.t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return answer{}
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return answer{}
	}
	return a
}

func (g *gateway) wantRefused(a answer, status int, reason string) {
	g.t.Helper()
	if a.status != status || a.Reason != reason || a.header.Get("Retry-After") == "" {
		g.t.Errorf("answered %d %s, Retry-After %q; want %d %s", a.status, a.Reason, a.header.Get("Retry-After"), status, reason)
	}
}

// unready is the reason for which the gateway is not ready, or "".
func (g *gateway) unready() string {
	g.t.Helper()
	response, err := http.Get("http://" + g.address + "/readyz")
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	var problem struct{ Reason string }
	if response.StatusCode != http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
			g.t.Fatal(err)
		}
	}
	return problem.Reason
}

func (g *gateway) jobs() []v1alpha1.ProcessingJob {
	g.t.Helper()
	list := &v1alpha1.ProcessingJobList{}
	if err := g.cp.Client.List(g.t.Context(), list, client.InNamespace(g.namespace)); err != nil {
		g.t.Fatal(err)
	}
	return list.Items
}

// objects lists the files of a bucket's folder.
func objects(t *testing.T, folder string) (keys []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(name string, entry os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && entry.Type().IsRegular() {
			key, _ := filepath.Rel(folder, name)
			keys = append(keys, filepath.ToSlash(key))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// settled lets what is in a bucket's folder grow old, sweeps twice, and wants it to hold the jobs' files and nothing else that
// will stay.
func (g *gateway) settled(folder string, flags ...string) {
	g.t.Helper()
	g.stop()
	old := time.Now().Add(-100 * time.Hour)
	for _, key := range objects(g.t, folder) {
		name := filepath.Join(folder, key)
		if err := os.Chtimes(name, old, old); err != nil {
			g.t.Fatal(err)
		}
	}
	g.start(append(flags, "--sweep-interval=50ms", "--leader-elect=false")...)
	g.awaitSweeps(2)
	wanted := map[string]bool{}
	for _, job := range g.jobs() {
		wanted[storage.InputKey(g.namespace, job.Name, string(job.Spec.Input.Upload.Name))] = true
	}
	left := 0
	for _, key := range objects(g.t, folder) {
		switch {
		case wanted[key]:
			left++
		case strings.HasPrefix(key, "jobs/"), strings.HasPrefix(key, "uploads/") && !ends(g.t, folder, key):
			g.t.Errorf("%s outlived two sweeps", key)
		}
	}
	if left != len(wanted) {
		g.t.Errorf("%d of %d jobs have their file", left, len(wanted))
	}
}

// ends tells whether what is left of a resumable upload has an end that is still to come. That it goes then is tested
// where the clock can be set.
func ends(t *testing.T, folder, key string) bool {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, path.Dir(key), "info.json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts struct{ Expires time.Time }
	if err := json.Unmarshal(content, &facts); err != nil {
		t.Fatal(err)
	}
	return facts.Expires.After(time.Now())
}

func (g *gateway) awaitSweeps(n int) {
	g.t.Helper()
	controlplane.Eventually(g.t, "sweeps", func(context.Context) (bool, error) {
		// One more than wanted: the last one counted may be under way.
		return g.metric("cleanup_runs_total") > float64(n), nil
	})
}

func (g *gateway) metric(name string) (value float64) {
	g.t.Helper()
	response, err := http.Get("http://" + g.address + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	return value
}

func TestBucketThatDoesNotAnswerAsItShould(t *testing.T) {
	writes := func(f fault) func(*http.Request) *fault {
		return func(r *http.Request) *fault {
			if r.Method == http.MethodPut || r.Method == http.MethodPost {
				return &f
			}
			return nil
		}
	}
	for name, f := range map[string]fault{"503": {status: 503}, "no answer": {hang: true}} {
		t.Run(name, func(t *testing.T) {
			server, bucket, flag := s3(t)
			g := newGateway(t)
			g.start(flag)
			t.Cleanup(g.stop)
			before := g.upload("before.gcode")
			bucket.set(writes(f))
			g.wantRefused(g.send(strings.NewReader(gcode), ""), 503, "storage_unavailable")
			if got := g.call("GET", "http://"+g.address+"/api/v1/status/"+before.Name, nil, "", nil); got != 200 {
				t.Errorf("status answered %d", got)
			}
			controlplane.Eventually(t, "not to be ready", func(context.Context) (bool, error) {
				return g.unready() == "storage_unavailable", nil
			})
			bucket.set(nil)
			if a := g.send(strings.NewReader(gcode), ""); a.status != 201 {
				t.Errorf("once it is back: %d %s", a.status, a.Reason)
			}
			if n := len(g.jobs()); n != 2 {
				t.Errorf("%d jobs, want those of the uploads that were answered 201", n)
			}
			g.settled(filepath.Join(server.Root, "prints"), flag)
		})
	}
}

func TestDiskThatFillsUp(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	g := newGateway(t)
	g.bucket = filepath.Join(disk, "bucket")
	g.start()
	t.Cleanup(g.stop)
	g.upload("small.gcode")
	before := objects(t, g.bucket)
	g.wantRefused(g.send(strings.NewReader(gcode+strings.Repeat("G1 X1 Y1 E1\nG92 E0\n", 100_000)), ""), 507, "storage_full")
	if after := objects(t, g.bucket); len(after) != len(before) {
		t.Errorf("part of a file was kept: %v", after)
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte{1}, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	controlplane.Eventually(t, "not to be ready", func(context.Context) (bool, error) {
		return g.unready() == "storage_full", nil
	})
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	controlplane.Eventually(t, "to be ready again", func(context.Context) (bool, error) {
		return g.unready() == "", nil
	})
	g.upload("again.gcode")
	g.settled(g.bucket)
}

func TestAPIServerThatIsAway(t *testing.T) {
	g := newGateway(t)
	api := g.beforeAPIServer()
	g.start()
	t.Cleanup(g.stop)
	done := g.upload("done.gcode")
	g.commit(done, "result")
	g.finish(g.job(done.Name), v1alpha1.PhaseCompleted)
	download := func() int { return g.call("GET", "http://"+g.address+"/api/v1/download/"+done.Name, nil, "", nil) }

	for name, f := range map[string]fault{"503": {status: 503}, "no answer to a creation": {hang: true}} {
		api.set(func(r *http.Request) *fault {
			if f.hang && r.Method != http.MethodPost {
				return nil
			}
			return &f
		})
		api.CloseClientConnections()
		g.wantRefused(g.send(strings.NewReader(gcode), ""), 503, "cluster_unavailable")
		if got := download(); got != 200 {
			t.Errorf("%s: a download answered %d", name, got)
		}
		api.set(nil)
	}
	controlplane.Eventually(t, "uploads to be taken again", func(context.Context) (bool, error) {
		return g.send(strings.NewReader(gcode), "").status == 201, nil
	})
	g.settledButResults(done)
}

// commit stores a result as a pod's would be.
func (g *gateway) commit(job *v1alpha1.ProcessingJob, content string) {
	g.t.Helper()
	token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	data := g.fetch(job, token)
	if err := os.WriteFile(filepath.Join(data, "out", "result.gcode"), []byte(content), 0o644); err != nil {
		g.t.Fatal(err)
	}
	if out, code := g.agent(data, token, "store"); code != 0 {
		g.t.Fatalf("store ended with %d: %s", code, out)
	}
}

// settledButResults is settled where a job has a result, too.
func (g *gateway) settledButResults(done *v1alpha1.ProcessingJob) {
	g.t.Helper()
	if err := g.cp.Client.Delete(g.t.Context(), done); err != nil {
		g.t.Fatal(err)
	}
	g.settled(g.bucket)
}

// Two replicas get the same key at the same moment, many times.
func TestOneKeyInTwoReplicasAtOnce(t *testing.T) {
	g := startGateway(t)
	replicas := []*gateway{g, g.replica()}
	const keys = 20
	for n := range keys {
		key := fmt.Sprintf("key-of-two-replicas-%d", n)
		var group sync.WaitGroup
		answers := make([]answer, 2*len(replicas))
		for i := range answers {
			group.Go(func() { answers[i] = replicas[i%len(replicas)].send(strings.NewReader(gcode), key) })
		}
		group.Wait()
		for _, a := range answers {
			if a.status != 201 || a.JobID != answers[0].JobID {
				t.Errorf("answered %d %s for job %q, and %q to another", a.status, a.Reason, a.JobID, answers[0].JobID)
			}
		}
	}
	if n := len(g.jobs()); n != keys {
		t.Errorf("%d jobs of %d keys", n, keys)
	}
	g.settled(g.bucket)
}

// The bucket's clock is five hours behind. What it calls five hours old is being uploaded.
func TestClocksThatDiffer(t *testing.T) {
	for name, skew := range map[string]time.Duration{"the bucket is behind": -5 * time.Hour, "the bucket is ahead": 5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			server, bucket, flag := s3(t)
			bucket.set(func(*http.Request) *fault { return &fault{change: func(r *http.Response) { skewTimes(t, r, skew) }} })
			g := newGateway(t)
			g.start(flag, "--sweep-interval=50ms", "--leader-elect=false")
			t.Cleanup(g.stop)
			folder := filepath.Join(server.Root, "prints")
			young, old := g.strayInput(folder, "young", 0), g.strayInput(folder, "old", -3*time.Hour)
			g.awaitSweeps(int(g.metric("cleanup_runs_total")) + 2)
			if _, err := os.Stat(young); err != nil {
				t.Errorf("a file that is being uploaded: %v", err)
			}
			if _, err := os.Stat(old); !os.IsNotExist(err) {
				t.Errorf("a file that is left over: %v", err)
			}
			if errors := g.metric("cleanup_errors_total"); errors > 0 {
				t.Errorf("%v errors", errors)
			}
			if a := g.send(strings.NewReader(gcode), ""); a.status != 201 {
				t.Errorf("an upload: %d %s", a.status, a.Reason)
			}
		})
	}
}

// strayInput is a file without a job, of an age.
func (g *gateway) strayInput(folder, job string, age time.Duration) string {
	g.t.Helper()
	name := filepath.Join(folder, filepath.FromSlash(storage.InputKey(g.namespace, job, "a.gcode")))
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(gcode), 0o644)
	}
	if then := time.Now().Add(age); err == nil {
		err = os.Chtimes(name, then, then)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return name
}

// SIGTERM comes while files are on their way: each is taken to its end.
func TestStopUnderLoad(t *testing.T) {
	g := startGateway(t)
	const uploads = 16
	var bodies [uploads]*io.PipeWriter
	answers := make(chan answer, uploads)
	for i := range bodies {
		body, writer := io.Pipe()
		bodies[i] = writer
		go func() { answers <- g.send(body, "") }()
		if _, err := io.WriteString(writer, gcode); err != nil { // the request is on its way
			t.Fatal(err)
		}
	}
	controlplane.Eventually(t, "all files to be begun", func(context.Context) (bool, error) {
		return len(objects(t, g.bucket)) == uploads, nil
	})
	if err := g.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	controlplane.Eventually(t, "no new connections", func(context.Context) (bool, error) {
		conn, err := net.Dial("tcp", g.address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil, nil
	})
	for _, writer := range bodies {
		if _, err := io.WriteString(writer, gcode); err != nil {
			t.Error(err)
		}
		_ = writer.Close()
	}
	for range uploads {
		if a := <-answers; a.status != 201 {
			t.Errorf("an upload under way was answered %d %s", a.status, a.Reason)
		}
	}
	if err := <-g.ended; err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
	if n := len(g.jobs()); n != uploads {
		t.Errorf("%d jobs, want %d", n, uploads)
	}
	g.start()
	g.settled(g.bucket)
}

// A client that goes away in the middle leaves nothing.
func TestClientThatGoesAway(t *testing.T) {
	g := startGateway(t)
	body, writer := io.Pipe()
	gone := make(chan answer, 1)
	go func() { gone <- g.send(body, "key-of-a-client-that-goes") }()
	if _, err := io.WriteString(writer, gcode); err != nil {
		t.Fatal(err)
	}
	controlplane.Eventually(t, "the file to be begun", func(context.Context) (bool, error) {
		return len(objects(t, g.bucket)) == 1, nil
	})
	_ = writer.CloseWithError(io.ErrUnexpectedEOF)
	<-gone
	controlplane.Eventually(t, "nothing to be left", func(context.Context) (bool, error) {
		return len(objects(t, g.bucket)) == 0, nil
	})
	if n := len(g.jobs()); n > 0 {
		t.Errorf("%d jobs of a file that did not arrive", n)
	}
	if a := g.send(strings.NewReader(gcode), "key-of-a-client-that-goes"); a.status != 201 {
		t.Errorf("once it is back: %d %s", a.status, a.Reason)
	}
	g.settled(g.bucket)
}
