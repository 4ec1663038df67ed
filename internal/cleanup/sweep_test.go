package cleanup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/storage/storagetest"
)

const grace = time.Hour

type fixture struct {
	*Sweeper
	t   *testing.T
	dir string
}

func newFixture(t *testing.T, funcs interceptor.Funcs, jobs ...client.Object) *fixture {
	t.Helper()
	dir := t.TempDir()
	store, err := storage.Open(t.Context(), "file://"+dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, dir: dir, Sweeper: &Sweeper{
		Options: Options{Interval: time.Minute, GracePeriod: grace},
		Store:   store,
		Jobs:    fake.NewClientBuilder().WithScheme(scheme).WithObjects(jobs...).WithInterceptorFuncs(funcs).Build(),
		Metrics: metrics.NewGateway(prometheus.NewRegistry(), nil),
		Now:     store.Now,
	}}
}

func aJob(namespace, name, upload string, phase v1alpha1.Phase) *v1alpha1.ProcessingJob {
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name)},
		Status:     v1alpha1.ProcessingJobStatus{Phase: phase},
	}
	if upload != "" {
		job.Spec.Input.Upload = &v1alpha1.UploadInput{Name: v1alpha1.FileName(upload)}
	}
	return job
}

// put stores an object of ten bytes that is older than the grace period, or not.
func (f *fixture) put(key string, old bool) {
	f.t.Helper()
	w, err := f.Store.Replace(f.t.Context(), key)
	if err == nil {
		_, err = io.WriteString(w, "0123456789")
	}
	if err == nil {
		err = w.Commit()
	}
	if err == nil && old {
		then := time.Now().Add(-2 * grace)
		err = os.Chtimes(filepath.Join(f.dir, key), then, then)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// resumable begins a resumable upload long ago, with one part. It returns the size of what is known of it.
func (f *fixture) resumable(id string, expires time.Time) (size int64) {
	f.t.Helper()
	facts := &storage.Resumable{JobID: "j", Size: 20, FileName: "a.gcode", Expires: expires}
	if err := f.Store.CreateResumable(f.t.Context(), "a", id, facts); err != nil {
		f.t.Fatal(err)
	}
	info, then := filepath.Join(f.dir, "uploads/a", id, "info.json"), time.Now().Add(-2*grace)
	if err := os.Chtimes(info, then, then); err != nil {
		f.t.Fatal(err)
	}
	f.put("uploads/a/"+id+"/0000000000000000000", true)
	stat, err := os.Stat(info)
	if err != nil {
		f.t.Fatal(err)
	}
	return stat.Size()
}

func (f *fixture) files() []string {
	f.t.Helper()
	var names []string
	err := filepath.WalkDir(f.dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rel, _ := filepath.Rel(f.dir, name)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return names
}

func TestSweep(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{},
		aJob("a", "waiting", "in.gcode", v1alpha1.PhasePending),
		aJob("a", "running", "in.gcode", v1alpha1.PhaseRunning),
		aJob("a", "done", "in.gcode", v1alpha1.PhaseCompleted),
		aJob("a", "failed", "in.gcode", v1alpha1.PhaseError),
		aJob("b", "other", "", v1alpha1.PhaseCompleted))
	if _, err := f.Store.CommitResult(t.Context(), "a", "uid-done", &storage.Manifest{PodUID: "won", Files: []storage.File{{Name: "out.gcode"}}}); err != nil {
		t.Fatal(err)
	}
	kept := []string{
		storage.InputKey("a", "waiting", "in.gcode"),
		storage.InputKey("a", "done", "in.gcode"),
		storage.OutputKey("a", "uid-running", "pod", "out.gcode"),
		storage.OutputKey("a", "uid-done", "won", "out.gcode"),
		"somebody/elses.txt",
		"jobs/stray.txt",
	}
	young := []string{
		storage.InputKey("a", "being-uploaded", "in.gcode"),
		storage.OutputKey("a", "uid-failed", "pod", "young.gcode"),
		storage.OutputKey("c", "uid-unknown", "pod", "young.gcode"),
	}
	doomed := []string{
		storage.InputKey("a", "gone", "in.gcode"),
		storage.InputKey("b", "waiting", "in.gcode"), // of another namespace's job
		storage.InputKey("a", "waiting", "in.gcode.18a.tmp"),
		storage.OutputKey("a", "uid-gone", "pod", "out.gcode"),
		storage.ResultKey("a", "uid-gone"),
		storage.OutputKey("a", "uid-done", "lost", "out.gcode"),
		storage.OutputKey("a", "uid-done", "won", "out.gcode.18a.tmp"),
		storage.OutputKey("a", "uid-failed", "pod", "out.gcode"),
		"jobs/a/uid-done/result.json.18a.tmp",
		"probe/ABC",
	}
	for _, key := range slices.Concat(kept, doomed) {
		f.put(key, true)
	}
	for _, key := range young {
		f.put(key, false)
	}
	f.resumable("pausing", time.Now().Add(-grace+time.Minute))
	resumableSize := f.resumable("expired", time.Now().Add(-grace-time.Minute))
	kept = append(kept, "uploads/a/pausing/info.json", "uploads/a/pausing/0000000000000000000")
	doomed = append(doomed, "uploads/a/expired/info.json", "uploads/a/expired/0000000000000000000")
	orphan := "uploads/a/unknown/0000000000000000000"
	f.put(orphan, true)
	doomed = append(doomed, orphan)
	f.DryRun = true
	before := f.files()
	if err := f.Sweep(t.Context()); err != nil || !slices.Equal(f.files(), before) {
		t.Errorf("a dry run deleted something, or %v", err)
	}
	f.DryRun = false
	for range 2 {
		if err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := slices.Concat(kept, young, []string{storage.ResultKey("a", "uid-done")})
	slices.Sort(want)
	got := f.files()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("left:\n%v\nwant:\n%v", got, want)
	}
	for name, test := range map[string]struct {
		metric prometheus.Collector
		want   float64
	}{
		"runs":  {f.Metrics.CleanupRuns, 3},
		"files": {f.Metrics.CleanupFiles, float64(len(doomed))},
		"bytes": {f.Metrics.CleanupBytes, float64(10*int64(len(doomed)-1) + resumableSize)},
		"error": {f.Metrics.CleanupErrors, 0},
	} {
		if got := testutil.ToFloat64(test.metric); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if got := testutil.ToFloat64(f.Metrics.DiskUsage); got < float64(10*len(want)-30) {
		t.Errorf("disk usage %v", got)
	}
}

// A result whose manifest somebody has deleted is still somebody's.
func TestSweepKeepsFilesOfAResultWithoutManifest(t *testing.T) {
	done := aJob("a", "done", "", v1alpha1.PhaseCompleted)
	done.Status.Output = &v1alpha1.Output{}
	f := newFixture(t, interceptor.Funcs{}, done)
	f.put(storage.OutputKey("a", "uid-done", "pod", "out.gcode"), true)
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.files()) != 1 {
		t.Error("the file of a result was deleted")
	}
	if got := testutil.ToFloat64(f.Metrics.CleanupErrors); got != 1 {
		t.Errorf("%v errors counted, want 1", got)
	}
}

// A list that cannot be read is no empty list.
func TestSweepKeepsWhatItCannotJudge(t *testing.T) {
	away := errors.New("the API server is away")
	for name, funcs := range map[string]interceptor.Funcs{
		"list": {List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return away }},
		"get": {Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return away
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, funcs)
			f.put(storage.InputKey("a", "job", "in.gcode"), true)
			if err := f.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(f.files()) != 1 {
				t.Error("the file of a job that could not be looked up was deleted")
			}
			if got := testutil.ToFloat64(f.Metrics.CleanupErrors); got != 1 {
				t.Errorf("%v errors counted, want 1", got)
			}
		})
	}
}

// A job that is made again under its old name after the list was read has its file.
func TestSweepAsksAgainBeforeItDeletesAnInput(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return nil // empty: the job came later
	}}, aJob("a", "job", "in.gcode", v1alpha1.PhasePending))
	f.put(storage.InputKey("a", "job", "in.gcode"), true)
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.files()) != 1 {
		t.Error("the file of a job that is new was deleted")
	}
}

// A sweep that was interrupted is gone on with, by whoever sweeps next.
func TestSweepGoesOn(t *testing.T) {
	var listed []string
	away := errors.New("the process ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := newFixture(t, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			o := &client.ListOptions{}
			o.ApplyOptions(opts)
			listed = append(listed, o.Namespace)
			if o.Namespace == "b" && len(listed) == 2 {
				cancel(away)
				return ctx.Err()
			}
			return c.List(ctx, l, opts...)
		},
	}, aJob("a", "job", "in.gcode", v1alpha1.PhasePending), aJob("c", "job", "in.gcode", v1alpha1.PhasePending))
	for _, namespace := range []string{"a", "b", "c"} {
		f.put(storage.InputKey(namespace, "job", "in.gcode"), true)
	}
	if err := f.Sweep(ctx); err == nil {
		t.Error("a sweep that was interrupted returned nil")
	}
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "b", "c"}; !slices.Equal(listed, want) {
		t.Errorf("looked at the jobs of %v, want %v", listed, want)
	}
	if got := testutil.ToFloat64(f.Metrics.DiskUsage); got != 20 {
		t.Errorf("disk usage %v, want that of both parts", got)
	}
	if err := f.Sweep(t.Context()); err != nil || len(listed) != 6 {
		t.Errorf("the next sweep looked at %v: %v; want all but b, which is empty", listed, err)
	}
}

// A place that cannot be walked must not keep what lies before it from being swept.
func TestSweepBeginsAnewWhereItIsStuck(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, aJob("a", "job", "in.gcode", v1alpha1.PhasePending))
	f.put(storage.InputKey("a", "job", "in.gcode"), true)
	deeperThanAnyPath(t, f.dir, "jobs/b")
	for _, progress := range []error{nil, storage.ErrNotFound} { // it gets so far, then no farther
		if err := f.Sweep(t.Context()); err == nil {
			t.Fatal("what cannot be walked was walked, so this test shows nothing")
		}
		if _, err := f.Store.SweepProgress(t.Context()); !errors.Is(err, progress) {
			t.Errorf("its progress is kept: %v, want %v", err, progress)
		}
	}
	doomed := storage.InputKey("a", "gone", "in.gcode")
	f.put(doomed, true)
	if err := f.Sweep(t.Context()); err == nil {
		t.Error("a sweep that could not go over all returned nil")
	}
	if _, _, err := f.Store.Stat(t.Context(), doomed); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("before the place that cannot be walked: %v, want it deleted", err)
	}
}

// deeperThanAnyPath makes folders whose path is longer than the kernel takes, for root as well.
func deeperThanAnyPath(t *testing.T, dir, under string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if err := root.MkdirAll(under+strings.Repeat("/"+strings.Repeat("x", 200), 25), 0o750); err != nil {
		t.Fatal(err)
	}
}

// What is young by the bucket's clock stays, whatever this process takes for the time.
func TestSweepGoesByTheBucketsClock(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	f.put(storage.InputKey("a", "job", "in.gcode"), true) // two hours ago
	f.Now = func(context.Context) (time.Time, error) { return time.Now().Add(-2*grace + time.Minute), nil }
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.files()) != 1 {
		t.Error("a file that is a minute old was deleted")
	}
}

func TestSweepDropsUnfinishedWrites(t *testing.T) {
	server := storagetest.S3(t)
	store, err := storage.Open(t.Context(), server.BucketURL(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	f := newFixture(t, interceptor.Funcs{})
	f.Store = store
	server.BeginUpload(t, storage.InputKey("a", "job", "in.gcode"))
	for _, test := range []struct {
		age  time.Duration
		left int
	}{{time.Minute, 1}, {grace + time.Minute, 0}} {
		f.Now = func(context.Context) (time.Time, error) { return time.Now().Add(test.age), nil }
		if err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := server.UnfinishedUploads(t); left != test.left {
			t.Errorf("%d are left after %s, want %d", left, test.age, test.left)
		}
	}
}

// A bucket that lets nobody look for unfinished writes is swept all the same, and the sweep is no failure.
func TestSweepWithoutTheRightToUnfinishedWrites(t *testing.T) {
	server := storagetest.S3(t)
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("uploads") {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code></Error>")
			return
		}
		forward.ServeHTTP(w, r)
	}))
	defer refusing.Close()
	server.Endpoint = refusing.URL
	store, err := storage.Open(t.Context(), server.BucketURL(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	f := newFixture(t, interceptor.Funcs{})
	f.Store = store
	f.put(storage.InputKey("a", "job", "in.gcode"), false)
	if err := f.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if got := testutil.ToFloat64(f.Metrics.DiskUsage); got != 10 {
		t.Errorf("disk usage %v, want 10", got)
	}
	if got := testutil.ToFloat64(f.Metrics.CleanupErrors); got != 1 {
		t.Errorf("%v errors counted, want 1", got)
	}
}
