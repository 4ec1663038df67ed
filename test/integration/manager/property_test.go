package manager_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/test/controlplane"
)

// TestRandomLives does to a few jobs, in random order, whatever people, kubelets and crashes do to them, and then leaves
// them alone. It has no model of what should come of each; it checks what must hold whatever happens: a final phase is
// final, no two pods of a job run at once, only a committed result makes a job Completed, attempts stay within what was
// allowed, every job comes to an end, and at rest the counts are those of the objects.
func TestRandomLives(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"rapid.checks": "8", "rapid.steps": "15"} { // each check takes seconds
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		f := newFixture(t)
		f.limits = queue.Limits{MaxActive: rapid.IntRange(1, 3).Draw(r, "max active")}
		f.processor()
		w := watchWorld(f, rapid.Uint64().Draw(r, "kubelet"))
		l := &lives{fixture: f, world: w, stop: f.startManager()}
		for range jobsPerCheck {
			l.create(r)
		}
		r.Repeat(map[string]func(*rapid.T){
			"suspend":   l.suspend,
			"priority":  l.priority,
			"delete":    l.delete,
			"steal":     l.steal,
			"disrupt":   l.disrupt,
			"processor": l.toggleProcessor,
			"restart":   l.restart,
		})
		l.settle()
		w.check(l.finished())
		l.stop()
	})
}

const jobsPerCheck = 4

// lives are the jobs of one check.
type lives struct {
	*fixture
	world   *world
	stop    func()
	created int
	absent  bool // the Processor
}

func (l *lives) pick(r *rapid.T) *v1alpha1.ProcessingJob {
	job := &v1alpha1.ProcessingJob{}
	name := fmt.Sprintf("life-%d", rapid.IntRange(1, l.created).Draw(r, "job"))
	err := l.client.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, job)
	if apierrors.IsNotFound(err) {
		r.Skip("deleted")
	}
	l.must(err)
	return job
}

// pickRunning picks a job and lets it come as far as a pod, if it does within two seconds.
func (l *lives) pickRunning(r *rapid.T) *v1alpha1.ProcessingJob {
	job := l.pick(r)
	deadline := time.NewTimer(2 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !l.world.runs(job.UID) {
		select {
		case <-deadline.C:
			r.Skip("no pod of it runs")
		case <-tick.C:
			l.must(l.client.Get(l.Context(), client.ObjectKeyFromObject(job), job))
			if job.Status.Phase.Finished() {
				r.Skip("finished")
			}
		}
	}
	l.must(l.client.Get(l.Context(), client.ObjectKeyFromObject(job), job))
	return job
}

// must ends the test at an error that is none of the races that the actions are about.
func (l *lives) must(err error) {
	l.Helper()
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		l.Fatal(err)
	}
}

func (l *lives) patch(o client.Object, patch string) {
	l.Helper()
	l.must(l.client.Patch(l.Context(), o, client.RawPatch(types.MergePatchType, []byte(patch))))
}

func (l *lives) create(r *rapid.T) {
	l.created++
	retries := rapid.Int32Range(0, 2).Draw(r, "retries")
	l.job(fmt.Sprintf("life-%d", l.created), func(s *v1alpha1.ProcessingJobSpec) {
		s.Retries, s.TimeoutSeconds = &retries, ptr.To[int32](4)
	})
}

func (l *lives) suspend(r *rapid.T) {
	l.patch(l.pick(r), fmt.Sprintf(`{"spec":{"suspend":%t}}`, rapid.Bool().Draw(r, "suspend")))
}

func (l *lives) priority(r *rapid.T) {
	l.patch(l.pick(r), fmt.Sprintf(`{"spec":{"priority":%d}}`, rapid.IntRange(-1, 1).Draw(r, "priority")))
}

func (l *lives) delete(r *rapid.T) {
	if rapid.IntRange(0, 3).Draw(r, "spare") > 0 {
		r.Skip("or too few would live on")
	}
	l.must(l.client.Delete(l.Context(), l.pick(r)))
}

// steal deletes the Job under a running job.
func (l *lives) steal(r *rapid.T) {
	job := l.pickRunning(r)
	child := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: job.Status.JobName}}
	l.must(l.client.Delete(l.Context(), child, client.PropagationPolicy(metav1.DeletePropagationBackground)))
}

// disrupt evicts a job's pods.
func (l *lives) disrupt(r *rapid.T) {
	job := l.pickRunning(r)
	pods := &corev1.PodList{}
	l.must(l.client.List(l.Context(), pods, client.InNamespace(l.namespace),
		client.MatchingLabels{childname.LabelJobUID: string(job.UID)}))
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		before := pod.DeepCopy()
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI",
		})
		l.must(l.client.Status().Patch(l.Context(), pod, client.MergeFrom(before)))
		l.must(l.client.Delete(l.Context(), pod))
	}
}

func (l *lives) toggleProcessor(*rapid.T) {
	if l.absent {
		l.processor()
	} else {
		l.deleteProcessor()
	}
	l.absent = !l.absent
}

func (l *lives) restart(*rapid.T) {
	l.stop()
	l.stop = l.startManager()
}

// settle takes away all that holds jobs up, and waits until each has come to its end.
func (l *lives) settle() {
	l.Helper()
	if l.absent {
		l.toggleProcessor(nil)
	}
	for i := 1; i <= l.created; i++ {
		l.patch(&v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: fmt.Sprintf("life-%d", i)}},
			`{"spec":{"suspend":false}}`)
	}
	controlplane.Within(l.T, 2*limitOfALife, "every job to end", func(ctx context.Context) (bool, error) {
		list := &v1alpha1.ProcessingJobList{}
		err := l.client.List(ctx, list, client.InNamespace(l.namespace))
		for i := range list.Items {
			if !list.Items[i].Status.Phase.Finished() {
				return false, fmt.Errorf("%s is %+v", list.Items[i].Name, list.Items[i].Status)
			}
		}
		return err == nil, err
	})
	controlplane.Eventually(l.T, "the gauges to be at rest", func(context.Context) (bool, error) {
		for _, gauge := range []string{"processing_jobs_active", "processing_jobs_pending", "bricklayers_jobs_unaccounted"} {
			if value, exists := l.findMetric(gauge); !exists || value != 0 { // a manager that just began has none yet
				return false, fmt.Errorf("%s is %v", gauge, value)
			}
		}
		return true, nil
	})
}

func (l *lives) finished() []v1alpha1.ProcessingJob {
	list := &v1alpha1.ProcessingJobList{}
	l.must(l.client.List(l.Context(), list, client.InNamespace(l.namespace)))
	return list.Items
}
