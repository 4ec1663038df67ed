package queue

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/slim"
)

// Feed keeps the queue in step with a cache's ProcessingJobs, Processors and Jobs, and calls changed after each change.
// The returned functions tell when everything that existed before has been seen.
func (q *Queue) Feed(ctx context.Context, c cache.Cache, changed func()) ([]toolscache.InformerSynced, error) {
	processors, err := watch(ctx, c, &v1alpha1.Processor{}, q.ObserveProcessor, func(p *v1alpha1.Processor) {
		q.ForgetProcessor(p.Namespace, p.Name)
	}, changed)
	if err != nil {
		return nil, err
	}
	jobs, err := watch(ctx, c, &v1alpha1.ProcessingJob{}, q.Observe, func(job *v1alpha1.ProcessingJob) {
		q.Forget(job.UID)
	}, changed)
	if err != nil {
		return nil, err
	}
	observe := func(child *slim.Job, exists bool) {
		if owner := metav1.GetControllerOf(child); owner != nil {
			q.ObserveChild(owner.UID, exists && !ended(child) && !child.Suspend)
		}
	}
	children, err := watch(ctx, c, &slim.Job{}, func(child *slim.Job) { observe(child, true) },
		func(child *slim.Job) { observe(child, false) }, changed)
	return []toolscache.InformerSynced{processors, jobs, children}, err
}

func ended(child *slim.Job) bool {
	for _, c := range child.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func watch[T client.Object](ctx context.Context, c cache.Cache, kind T, seen, gone func(T), changed func(),
) (toolscache.InformerSynced, error) {
	informer, err := c.GetInformer(ctx, kind)
	if err != nil {
		return nil, fmt.Errorf("failed to get the informer of %T: %w", kind, err)
	}
	handle := func(o any, do func(T)) {
		if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = tombstone.Obj // a deletion whose event was missed
		}
		if object, ok := o.(T); ok {
			do(object)
			changed()
		}
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { handle(o, seen) },
		UpdateFunc: func(_, o any) { handle(o, seen) },
		DeleteFunc: func(o any) { handle(o, gone) },
	})
	if err != nil {
		return nil, fmt.Errorf("failed to watch %T: %w", kind, err)
	}
	return registration.HasSynced, nil
}
