package manager_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
)

// limitOfALife is longer than three attempts with their pauses.
const limitOfALife = time.Minute

// world plays the kubelets for jobs whose lives nobody plans, and remembers what must never have happened.
type world struct {
	f    *fixture
	seed uint64

	mu     sync.Mutex
	phases map[types.UID]v1alpha1.Phase
	alive  map[types.UID]map[types.UID]bool // pods that run, by job
	wrongs []string
}

func watchWorld(f *fixture, seed uint64) *world {
	w := &world{f: f, seed: seed, phases: map[types.UID]v1alpha1.Phase{}, alive: map[types.UID]map[types.UID]bool{}}
	w.follow(&v1alpha1.ProcessingJobList{}, func(e watch.Event) {
		if job, ok := e.Object.(*v1alpha1.ProcessingJob); ok {
			w.sawJob(job)
		}
	})
	w.follow(&corev1.PodList{}, func(e watch.Event) {
		if pod, ok := e.Object.(*corev1.Pod); ok {
			w.sawPod(pod, e.Type == watch.Deleted)
			if e.Type != watch.Deleted {
				w.play(pod)
			}
		}
	})
	return w
}

func (w *world) follow(kind client.ObjectList, do func(watch.Event)) {
	events, err := w.f.cp.Client.Watch(w.f.Context(), kind, client.InNamespace(w.f.namespace))
	if err != nil {
		w.f.Fatal(err)
	}
	w.f.Cleanup(events.Stop)
	go func() {
		for event := range events.ResultChan() {
			do(event)
		}
	}()
}

func (w *world) wrong(format string, values ...any) {
	w.wrongs = append(w.wrongs, fmt.Sprintf(format, values...))
}

func (w *world) sawJob(job *v1alpha1.ProcessingJob) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, now := w.phases[job.UID], job.Status.Phase
	if before.Finished() && now != before {
		w.wrong("%s went from %s to %s", job.Name, before, now)
	}
	if now == v1alpha1.PhaseCompleted && job.Status.Output == nil {
		w.wrong("%s is Completed without a result", job.Name)
	}
	w.phases[job.UID] = now
}

func (w *world) sawPod(pod *corev1.Pod, deleted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	owner := types.UID(pod.Labels[childname.LabelJobUID])
	pods := w.alive[owner]
	if pods == nil {
		pods = map[types.UID]bool{}
		w.alive[owner] = pods
	}
	if deleted || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		delete(pods, pod.UID)
		return
	}
	pods[pod.UID] = true
	if len(pods) > 1 {
		w.wrong("%d pods of %s at once", len(pods), pod.Labels[childname.LabelJob])
	}
}

// play gives a pod its end.
func (w *world) play(pod *corev1.Pod) {
	ctx := w.f.Context()
	err := w.end(ctx, pod)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && ctx.Err() == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.wrong("kubelet: %v", err)
	}
}

func (w *world) end(ctx context.Context, pod *corev1.Pod) error {
	if pod.DeletionTimestamp != nil {
		return w.stopped(ctx, pod)
	}
	if pod.Status.InitContainerStatuses != nil || pod.Status.Phase == corev1.PodFailed {
		return nil
	}
	before := pod.DeepCopy()
	switch fate := w.fate(pod); fate {
	case "good":
		if err := w.commit(ctx, pod); err != nil {
			return err
		}
		pod.Status = endedStatus("store", 0, "Completed", "")
	case "out of memory":
		pod.Status = endedStatus("process", 137, "OOMKilled", "")
	case "never ends":
		pod.Status = runningStatus()
	default:
		code, err := strconv.ParseInt(fate, 10, 32)
		if err != nil {
			return err
		}
		pod.Status = endedStatus("process", int32(code), "Error", "")
	}
	return w.f.client.Status().Patch(ctx, pod, client.MergeFrom(before))
}

// stopped confirms that the containers of a deleted pod have stopped, which takes them a while: until then it counts as
// a pod that runs.
func (w *world) stopped(ctx context.Context, pod *corev1.Pod) error {
	const while = 300 * time.Millisecond
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(while):
		return w.f.client.Delete(ctx, pod, client.GracePeriodSeconds(0))
	}
}

// fate of an attempt's pods, the same whatever the order of events.
func (w *world) fate(pod *corev1.Pod) string {
	fates := []string{"good", "good", "1", "65", "out of memory", "never ends", "never ends", "never ends"}
	hash := fnv.New64a()
	fmt.Fprint(hash, w.seed, pod.Labels[childname.LabelJob], pod.Labels[childname.LabelAttempt])
	return fates[hash.Sum64()%uint64(len(fates))]
}

// commit does as the gateway does: a result of a job that is final already is refused.
func (w *world) commit(ctx context.Context, pod *corev1.Pod) error {
	key := client.ObjectKey{Namespace: w.f.namespace, Name: pod.Labels[childname.LabelJob]}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		job := &v1alpha1.ProcessingJob{}
		if err := w.f.client.Get(ctx, key, job); err != nil {
			return err
		}
		if job.Status.Phase.Finished() {
			return nil
		}
		before := job.DeepCopy()
		setResult(job)
		return w.f.client.Status().Patch(ctx, job, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
}

// runs tells whether the job has a pod that runs.
func (w *world) runs(job types.UID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.alive[job]) > 0
}

// check reports what must never have happened, and attempts beyond what was allowed.
func (w *world) check(finished []v1alpha1.ProcessingJob) {
	w.f.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, wrong := range w.wrongs {
		w.f.Error(wrong)
	}
	for i := range finished {
		job := &finished[i]
		if allowed := ptr.Deref(job.Spec.Retries, 0) + 1; job.Status.Attempts > allowed {
			w.f.Errorf("%s had %d attempts of %d", job.Name, job.Status.Attempts, allowed)
		}
	}
}
