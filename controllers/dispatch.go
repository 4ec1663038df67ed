package controllers

import (
	"context"
	"fmt"
	"sync/atomic"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
)

// dispatcher feeds the Queue from the cache and, on the leader, hands each admitted job to the reconciler.
//
// The feed runs on standbys too, so that a new leader starts with a warm queue; it only ever changes the Queue, never
// the cluster, and counts nothing.
type dispatcher struct {
	queue   *Queue
	synced  []toolscache.InformerSynced
	wake    chan struct{}
	leading atomic.Bool
}

// newDispatcher starts the feed.
func newDispatcher(ctx context.Context, queue *Queue, c cache.Cache) (*dispatcher, error) {
	d := &dispatcher{queue: queue, wake: make(chan struct{}, 1)}
	return d, d.feed(ctx, c)
}

// Depth is the queue's, and whether this replica is the one to report it.
func (d *dispatcher) Depth() (metrics.QueueDepth, bool) {
	return d.queue.Depth(), d.leading.Load()
}

// Start is a source of the controller and so runs on the leader only. Admission begins when the queue has seen every
// object that existed before, because until then it cannot know which limits are used up.
func (d *dispatcher) Start(ctx context.Context, out workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	go func() {
		if !toolscache.WaitForCacheSync(ctx.Done(), d.synced...) {
			return
		}
		d.leading.Store(true)
		defer d.leading.Store(false)
		for {
			for key, ok := d.queue.Next(); ok; key, ok = d.queue.Next() {
				out.Add(reconcile.Request{NamespacedName: key})
			}
			select {
			case <-ctx.Done():
				return
			case <-d.wake:
			}
		}
	}()
	return nil
}

// Wake makes the dispatcher look whether a waiting job may start.
func (d *dispatcher) Wake() {
	select {
	case d.wake <- struct{}{}:
	default: // a look is due already
	}
}

func (d *dispatcher) feed(ctx context.Context, c cache.Cache) error {
	feeds := []struct {
		object client.Object
		seen   func(any)
		gone   func(any)
	}{
		{&v1alpha1.Processor{}, d.processorSeen, d.processorGone},
		{&v1alpha1.ProcessingJob{}, d.jobSeen, d.jobGone},
		{&batchv1.Job{}, d.childSeen, d.childGone},
	}
	for _, f := range feeds {
		informer, err := c.GetInformer(ctx, f.object)
		if err != nil {
			return fmt.Errorf("failed to get the informer of %T: %w", f.object, err)
		}
		registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { f.seen(o); d.Wake() },
			UpdateFunc: func(_, o any) { f.seen(o); d.Wake() },
			DeleteFunc: func(o any) { f.gone(o); d.Wake() },
		})
		if err != nil {
			return fmt.Errorf("failed to watch %T: %w", f.object, err)
		}
		d.synced = append(d.synced, registration.HasSynced)
	}
	return nil
}

func (d *dispatcher) jobSeen(o any) {
	if job, ok := o.(*v1alpha1.ProcessingJob); ok {
		d.queue.Observe(job)
	}
}

func (d *dispatcher) jobGone(o any) {
	if job, ok := lastState(o).(*v1alpha1.ProcessingJob); ok {
		d.queue.Forget(job.UID)
	}
}

func (d *dispatcher) processorSeen(o any) {
	if p, ok := o.(*v1alpha1.Processor); ok {
		d.queue.ObserveProcessor(p)
	}
}

func (d *dispatcher) processorGone(o any) {
	if p, ok := lastState(o).(*v1alpha1.Processor); ok {
		d.queue.ForgetProcessor(p.Namespace, p.Name)
	}
}

func (d *dispatcher) childSeen(o any) {
	child, ok := o.(*batchv1.Job)
	if !ok {
		return
	}
	if owner := metav1.GetControllerOf(child); owner != nil {
		d.queue.ObserveChild(owner.UID, !jobFinished(child) && !ptr.Deref(child.Spec.Suspend, false))
	}
}

func (d *dispatcher) childGone(o any) {
	child, ok := lastState(o).(*batchv1.Job)
	if !ok {
		return
	}
	if owner := metav1.GetControllerOf(child); owner != nil {
		d.queue.ObserveChild(owner.UID, false)
	}
}

// lastState unwraps the object of a deletion whose event was missed.
func lastState(o any) any {
	if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		return tombstone.Obj
	}
	return o
}
