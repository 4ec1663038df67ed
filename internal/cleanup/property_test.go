package cleanup

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/storage"
)

// TestSweepsAtAnyMoment lets uploads, attempts, commits, deletions and sweeps happen in any order and at any time, and
// checks after each step that nothing is missing that a job refers to, and after two sweeps that nothing is left that
// nobody does.
func TestSweepsAtAnyMoment(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		dir := filepath.Join(t.TempDir(), fmt.Sprint(round))
		store, err := storage.Open(t.Context(), "file://"+dir, 0)
		if err != nil {
			rt.Fatal(err)
		}
		w := &world{
			t: t, rt: rt, dir: dir, now: time.Now(), uploads: map[string]time.Time{}, jobs: map[string]*knownJob{},
			resumables: map[string]*knownResumable{},
			client:     fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.ProcessingJob{}).Build(),
		}
		w.sweeper = &Sweeper{
			Options: Options{GracePeriod: grace}, Store: store, Jobs: w.client,
			Metrics: metrics.NewGateway(prometheus.NewRegistry(), nil), Now: func(context.Context) (time.Time, error) { return w.now, nil },
		}
		rt.Repeat(map[string]func(*rapid.T){
			"upload bytes": w.uploadBytes, "make the job": w.makeJob, "store an output": w.storeOutput, "commit": w.commit,
			"begin in parts": w.beginInParts, "store a part": w.storePart, "finish the parts": w.finishParts,
			"fail": w.fail, "delete the job": w.deleteJob, "wait": w.wait, "sweep": w.sweep, "sweep twice": w.sweepTwice,
			"": w.nothingIsMissing,
		})
		if err := store.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// world is what has happened so far.
type world struct {
	t       *testing.T
	rt      *rapid.T
	dir     string
	now     time.Time
	sweeper *Sweeper
	client  client.Client
	uploads map[string]time.Time // files without a job yet, by the id that it will have
	jobs    map[string]*knownJob
	// resumables are uploads in parts, by their id.
	resumables map[string]*knownResumable
	count      int
}

type knownResumable struct {
	expires time.Time
	parts   []string // keys
}

type knownJob struct {
	attempts []string // pods that stored an output and may still commit
	winner   string   // pod whose result stands
	finished bool
}

const uploadTimeout = grace / 2 // of the gateway, which is shorter than the grace period

// write stores an object as of the world's time.
func (w *world) write(key string) {
	writer, err := w.sweeper.Store.Replace(w.t.Context(), key)
	if err == nil {
		_, err = io.WriteString(writer, "content")
	}
	if err == nil {
		err = writer.Commit()
	}
	if err == nil {
		err = os.Chtimes(filepath.Join(w.dir, key), w.now, w.now)
	}
	if err != nil {
		w.rt.Fatal(err)
	}
}

// few keeps the number of jobs small, so that steps meet.
const few = 3

func (w *world) uploadBytes(rt *rapid.T) {
	if len(w.uploads)+len(w.jobs) >= few {
		rt.Skip()
	}
	w.count++
	id := fmt.Sprint("job-", w.count)
	w.write(storage.InputKey("ns", id, "in.gcode"))
	w.uploads[id] = w.now
}

// makeJob ends an upload as the gateway does, unless it takes too long: then the client has given up.
func (w *world) makeJob(rt *rapid.T) {
	id := pick(rt, w.uploads)
	stored := w.uploads[id]
	delete(w.uploads, id)
	if w.now.Sub(stored) > uploadTimeout {
		return
	}
	if err := w.client.Create(w.t.Context(), aJob("ns", id, "in.gcode", v1alpha1.PhasePending)); err != nil {
		w.rt.Fatal(err)
	}
	w.jobs[id] = &knownJob{}
}

func (w *world) beginInParts(rt *rapid.T) {
	if len(w.resumables) >= few {
		rt.Skip()
	}
	w.count++
	id, expires := fmt.Sprint("upload-", w.count), w.now.Add(2*grace)
	err := w.sweeper.Store.CreateResumable(w.t.Context(), "ns", id, &storage.Resumable{Expires: expires})
	if err == nil {
		err = os.Chtimes(filepath.Join(w.dir, infoKey(id)), w.now, w.now)
	}
	if err != nil {
		rt.Fatal(err)
	}
	w.resumables[id] = &knownResumable{expires: expires}
}

func infoKey(id string) string { return "uploads/ns/" + id + "/info.json" }

func (w *world) storePart(rt *rapid.T) {
	id := pick(rt, w.resumables)
	upload := w.resumables[id]
	if w.now.After(upload.expires) {
		rt.Skip() // the gateway refuses it
	}
	key := fmt.Sprintf("uploads/ns/%s/%019d", id, 7*len(upload.parts))
	w.write(key)
	upload.parts = append(upload.parts, key)
}

// finishParts is what the gateway does with the last part.
func (w *world) finishParts(rt *rapid.T) {
	id := pick(rt, w.resumables)
	upload := w.resumables[id]
	if w.now.After(upload.expires) || len(upload.parts) == 0 || len(w.uploads)+len(w.jobs) >= few {
		rt.Skip()
	}
	progress, err := w.sweeper.Store.Progress(w.t.Context(), "ns", id)
	if err != nil || len(progress.Parts) != len(upload.parts) {
		rt.Fatalf("%d of %d parts: %v", len(progress.Parts), len(upload.parts), err)
	}
	job := "of-" + id
	w.write(storage.InputKey("ns", job, "in.gcode"))
	if err := w.client.Create(w.t.Context(), aJob("ns", job, "in.gcode", v1alpha1.PhasePending)); err != nil {
		rt.Fatal(err)
	}
	w.jobs[job] = &knownJob{}
	if err := w.sweeper.Store.FinishResumable(w.t.Context(), "ns", id, progress.Parts); err != nil {
		rt.Fatal(err)
	}
	delete(w.resumables, id) // what is left of it may be swept at any time
}

func (w *world) storeOutput(rt *rapid.T) {
	id := pick(rt, w.jobs)
	job := w.jobs[id]
	if job.finished {
		rt.Skip()
	}
	w.count++
	pod := fmt.Sprint("pod-", w.count)
	w.write(storage.OutputKey("ns", "uid-"+id, pod, "out.gcode"))
	job.attempts = append(job.attempts, pod)
}

func (w *world) commit(rt *rapid.T) {
	id := pick(rt, w.jobs)
	job := w.jobs[id]
	if job.finished || len(job.attempts) == 0 {
		rt.Skip()
	}
	job.winner = rapid.SampledFrom(job.attempts).Draw(rt, "winner")
	manifest := &storage.Manifest{PodUID: job.winner, Files: []storage.File{{Name: "out.gcode", Size: 7}}}
	if _, err := w.sweeper.Store.CommitResult(w.t.Context(), "ns", "uid-"+id, manifest); err != nil {
		rt.Fatal(err)
	}
	w.finish(id, v1alpha1.PhaseCompleted)
}

func (w *world) fail(rt *rapid.T) {
	id := pick(rt, w.jobs)
	if w.jobs[id].finished {
		rt.Skip()
	}
	w.finish(id, v1alpha1.PhaseError)
}

func (w *world) finish(id string, phase v1alpha1.Phase) {
	job := &v1alpha1.ProcessingJob{}
	err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: "ns", Name: id}, job)
	if err == nil {
		job.Status.Phase = phase
		err = w.client.Status().Update(w.t.Context(), job)
	}
	if err != nil {
		w.rt.Fatal(err)
	}
	w.jobs[id].finished = true
}

func (w *world) deleteJob(rt *rapid.T) {
	id := pick(rt, w.jobs)
	if err := w.client.Delete(w.t.Context(), aJob("ns", id, "", "")); err != nil {
		rt.Fatal(err)
	}
	delete(w.jobs, id)
}

func (w *world) wait(rt *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "minutes")) * time.Minute)
}

func (w *world) sweep(rt *rapid.T) {
	if err := w.sweeper.Sweep(w.t.Context()); err != nil {
		rt.Fatal(err)
	}
}

// sweepTwice lets everything get old, sweeps twice, and wants the bucket to hold what is referred to and nothing else.
func (w *world) sweepTwice(rt *rapid.T) {
	clear(w.uploads) // their clients have given up
	clear(w.resumables)
	w.now = w.now.Add(3*grace + time.Second)
	w.sweep(rt)
	w.sweep(rt)
	wanted := map[string]bool{}
	for _, key := range w.referenced() {
		wanted[key] = true
	}
	err := w.sweeper.Store.Walk(w.t.Context(), "", func(o storage.Listed) error {
		if !wanted[o.Key] {
			rt.Errorf("%s is of no use and still there", o.Key)
		}
		return nil
	})
	if err != nil {
		rt.Fatal(err)
	}
}

// referenced lists the objects that must not go.
func (w *world) referenced() []string {
	var keys []string
	for id := range w.uploads {
		if w.now.Sub(w.uploads[id]) <= uploadTimeout {
			keys = append(keys, storage.InputKey("ns", id, "in.gcode"))
		}
	}
	for id, upload := range w.resumables {
		if !w.now.After(upload.expires) {
			keys = append(append(keys, infoKey(id)), upload.parts...)
		}
	}
	for id, job := range w.jobs {
		keys = append(keys, storage.InputKey("ns", id, "in.gcode"))
		if job.winner != "" {
			keys = append(keys, storage.ResultKey("ns", "uid-"+id), storage.OutputKey("ns", "uid-"+id, job.winner, "out.gcode"))
		}
		if !job.finished {
			for _, pod := range job.attempts {
				keys = append(keys, storage.OutputKey("ns", "uid-"+id, pod, "out.gcode"))
			}
		}
	}
	return keys
}

func (w *world) nothingIsMissing(rt *rapid.T) {
	for _, key := range w.referenced() {
		if _, _, err := w.sweeper.Store.Stat(w.t.Context(), key); err != nil {
			rt.Errorf("a job refers to it, but: %v", err)
		}
	}
}

// pick draws one of a map's keys, and skips the step when there is none.
func pick[V any](rt *rapid.T, from map[string]V) string {
	if len(from) == 0 {
		rt.Skip()
	}
	keys := make([]string, 0, len(from))
	for key := range from {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return rapid.SampledFrom(keys).Draw(rt, "which")
}
