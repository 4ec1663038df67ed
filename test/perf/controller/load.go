package main

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
)

const (
	// creators is how many requests the load keeps under way, enough to fill two cores.
	creators = 32
	patience = 10 * time.Minute
	digest   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// rate measures how many jobs a second one way of making them completes, and removes them again.
func (c *cluster) rate(ctx context.Context, what string, jobs int, load func(context.Context, string, int) error,
) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c.run++
	before := cpuByProgram()
	start := time.Now()
	if err := load(ctx, fmt.Sprintf("r%d", c.run), jobs); err != nil {
		return 0, err
	}
	took := time.Since(start)
	printCPU(what, before, took, jobs)
	return float64(jobs) / took.Seconds(), c.clear(ctx)
}

// floorBare makes the Jobs alone.
func (c *cluster) floorBare(ctx context.Context, run string, jobs int) error {
	completed, err := c.onComplete(ctx, jobs, func(*batchv1.Job) error { return nil })
	if err != nil {
		return err
	}
	if err := c.each(ctx, jobs, func(ctx context.Context, i int) error {
		return c.Create(ctx, c.sameJob(fmt.Sprintf("%s-%d", run, i), nil))
	}); err != nil {
		return err
	}
	return completed()
}

// floorWrites makes the Jobs, a ProcessingJob each, and the three status writes that a job's life takes: that it runs,
// what came out, that it is finished.
func (c *cluster) floorWrites(ctx context.Context, run string, jobs int) error {
	completed, err := c.onComplete(ctx, jobs, func(child *batchv1.Job) error {
		job := &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: child.Name}}
		if err := c.patchStatus(ctx, job, outputPatch); err != nil {
			return err
		}
		return c.patchStatus(ctx, job, finishedPatch)
	})
	if err != nil {
		return err
	}
	if err := c.each(ctx, jobs, func(ctx context.Context, i int) error {
		job := processingJob(fmt.Sprintf("%s-%d", run, i))
		if err := c.Create(ctx, job); err != nil {
			return err
		}
		if err := c.Create(ctx, c.sameJob(job.Name, job)); err != nil {
			return err
		}
		return c.patchStatus(ctx, job, runningPatch)
	}); err != nil {
		return err
	}
	return completed()
}

// ours makes ProcessingJobs, plays the gateway for their pods, and waits until the manager has finished them.
func (c *cluster) ours(ctx context.Context, run string, jobs int) error {
	finished, err := c.playGateway(ctx, jobs, func() {})
	if err != nil {
		return err
	}
	if err := c.each(ctx, jobs, func(ctx context.Context, i int) error {
		return c.Create(ctx, processingJob(fmt.Sprintf("%s-%d", run, i)))
	}); err != nil {
		return err
	}
	return finished()
}

const (
	runningPatch  = `{"status":{"phase":"Running","reason":"Starting","attempts":1,"startTime":"2026-01-01T00:00:00Z"}}`
	outputPatch   = `{"status":{"output":{"files":[{"name":"a","size":1,"sha256":"` + digest + `"}]}}}`
	finishedPatch = `{"status":{"phase":"Completed","reason":"Completed","completionTime":"2026-01-01T00:00:01Z"}}`
)

func (c *cluster) patchStatus(ctx context.Context, job *v1alpha1.ProcessingJob, patch string) error {
	return c.Status().Patch(ctx, job, client.RawPatch("application/merge-patch+json", []byte(patch)))
}

// each does something for every job with a bounded number under way.
func (c *cluster) each(ctx context.Context, jobs int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for i := range jobs {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// onComplete calls do for each Job that completes. The returned function waits until so many have.
func (c *cluster) onComplete(ctx context.Context, jobs int, do func(*batchv1.Job) error) (func() error, error) {
	return c.follow(ctx, &batchv1.JobList{}, jobs, func(event watch.Event) (bool, func() error) {
		child, ok := event.Object.(*batchv1.Job)
		return ok && complete(child), func() error { return do(child) }
	})
}

// playGateway commits a result for each pod that has succeeded, and calls each for every ProcessingJob that completes.
func (c *cluster) playGateway(ctx context.Context, jobs int, each func()) (func() error, error) {
	committed, err := c.follow(ctx, &corev1.PodList{}, jobs, func(event watch.Event) (bool, func() error) {
		pod, ok := event.Object.(*corev1.Pod)
		return ok && pod.Status.Phase == corev1.PodSucceeded, func() error {
			job := &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pod.Labels[childname.LabelJob]}}
			return c.patchStatus(ctx, job, outputPatch)
		}
	})
	if err != nil {
		return nil, err
	}
	finished, err := c.follow(ctx, &v1alpha1.ProcessingJobList{}, jobs, func(event watch.Event) (bool, func() error) {
		job, ok := event.Object.(*v1alpha1.ProcessingJob)
		return ok && job.Status.Phase == v1alpha1.PhaseCompleted, func() error {
			each()
			return nil
		}
	})
	return func() error {
		if err := committed(); err != nil {
			return err
		}
		return finished()
	}, err
}

// follow watches a kind, and for each object of it does once what pick says. The returned function waits until that was
// done for so many objects.
func (c *cluster) follow(ctx context.Context, kind client.ObjectList, want int, pick func(watch.Event) (bool, func() error),
) (func() error, error) {
	w, err := c.Watch(ctx, kind, client.InNamespace(namespace))
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators + 1)
	var done atomic.Int64
	group.Go(func() error {
		defer func() { w.Stop() }()
		seen := map[string]bool{}
		for len(seen) < want {
			var event watch.Event
			select {
			case <-ctx.Done():
				return fmt.Errorf("%d of %d done: %w", done.Load(), want, ctx.Err())
			case e, open := <-w.ResultChan():
				if !open {
					// The API server may end a watch at any time. A new one begins with everything that exists.
					if w, err = c.Watch(ctx, kind, client.InNamespace(namespace)); err != nil {
						return err
					}
					continue
				}
				event = e
			}
			object, ok := event.Object.(client.Object)
			if !ok || seen[object.GetName()] || event.Type == watch.Deleted {
				continue
			}
			if picked, do := pick(event); picked {
				seen[object.GetName()] = true
				group.Go(func() error {
					defer done.Add(1)
					return do()
				})
			}
		}
		return nil
	})
	return group.Wait, nil
}

// deleteAll deletes all objects of a kind. The API server ends a request after a minute, and ten thousand take longer, so
// it goes on until one comes to its end.
func (c *cluster) deleteAll(ctx context.Context, kind client.Object) (err error) {
	for range 20 {
		err = c.DeleteAllOf(ctx, kind, client.InNamespace(namespace), client.GracePeriodSeconds(0),
			client.PropagationPolicy(metav1.DeletePropagationBackground))
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

// clear removes every job, so that the next measurement starts as this one did.
func (c *cluster) clear(ctx context.Context) error {
	for _, kind := range []client.Object{&v1alpha1.ProcessingJob{}, &batchv1.Job{}, &corev1.Pod{}} {
		if err := c.deleteAll(ctx, kind); err != nil {
			return err
		}
	}
	for {
		pods, jobs := &corev1.PodList{}, &batchv1.JobList{}
		if err := c.List(ctx, pods, client.InNamespace(namespace), client.Limit(1)); err != nil {
			return err
		}
		if err := c.List(ctx, jobs, client.InNamespace(namespace), client.Limit(1)); err != nil {
			return err
		}
		if len(pods.Items)+len(jobs.Items) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func complete(child *batchv1.Job) bool {
	for _, condition := range child.Status.Conditions {
		if condition.Type == batchv1.JobComplete && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func processingJob(name string) *v1alpha1.ProcessingJob {
	return &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ProcessingJobSpec{Processor: "brick", Input: v1alpha1.Input{Upload: &v1alpha1.UploadInput{
			Name: "part.gcode", Size: ptr.To[int64](1), SHA256: digest,
		}}},
	}
}

// learnJob keeps a Job that the manager made, for the floors to make the same.
func (c *cluster) learnJob(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	manager, err := c.startManager(ctx, o)
	if err != nil {
		return err
	}
	defer stopProgram(manager)
	wait, err := c.follow(ctx, &batchv1.JobList{}, 1, func(event watch.Event) (bool, func() error) {
		child, ok := event.Object.(*batchv1.Job)
		if ok {
			c.template = child
		}
		return ok, func() error { return nil }
	})
	if err != nil {
		return err
	}
	if err := c.Create(ctx, processingJob("template")); err != nil {
		return err
	}
	if err := wait(); err != nil {
		return err
	}
	stopProgram(manager)
	return c.clear(ctx)
}

// sameJob is the Job that the manager would make, under another name, of an owner or of nobody.
func (c *cluster) sameJob(name string, owner *v1alpha1.ProcessingJob) *batchv1.Job {
	child := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: maps.Clone(c.template.Labels), Annotations: c.template.Annotations,
		},
		Spec: *c.template.Spec.DeepCopy(),
	}
	// What the API server filled in: it does so again.
	child.Spec.Selector = nil
	for _, label := range []string{"controller-uid", "job-name", batchv1.ControllerUidLabel, batchv1.JobNameLabel} {
		delete(child.Labels, label)
		delete(child.Spec.Template.Labels, label)
	}
	child.Labels[childname.LabelJob] = name
	child.Spec.Template.Labels[childname.LabelJob] = name
	if owner != nil {
		child.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind("ProcessingJob"))}
		child.OwnerReferences[0].BlockOwnerDeletion = nil
	}
	return child
}
