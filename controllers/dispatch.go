package controllers

import (
	"context"
	"sync/atomic"

	"github.com/go-logr/logr"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// dispatcher hands the jobs that the queue admits to the reconciler, on the leader. The queue's feed runs on standbys too,
// so that a new leader starts with a warm queue.
type dispatcher struct {
	queue   *queue.Queue
	metrics *metrics.Manager
	tracer  *tracing.Tracer // nil when tracing is off
	log     logr.Logger
	synced  []toolscache.InformerSynced
	wake    chan struct{}
	leading atomic.Bool
}

// feed starts the queue's feed.
func (d *dispatcher) feed(ctx context.Context, c cache.Cache) (err error) {
	d.wake = make(chan struct{}, 1)
	d.synced, err = d.queue.Feed(ctx, c, d.Wake)
	return err
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
			d.admit(out)
			select {
			case <-ctx.Done():
				return
			case <-d.wake:
			}
		}
	}()
	return nil
}

func (d *dispatcher) admit(out workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	for admission, ok := d.queue.Next(); ok; admission, ok = d.queue.Next() {
		sc := tracing.Parse(admission.Traceparent)
		d.metrics.Admitted(admission, d.tracer.Example(sc))
		d.log.WithValues(tracing.LogValues(admission.Key.Name, sc)...).Info("admitted",
			"namespace", admission.Key.Namespace, "waitedSeconds", admission.Waited.Seconds())
		out.Add(reconcile.Request{NamespacedName: admission.Key})
	}
	for _, job := range d.queue.TakeTurned() {
		out.Add(reconcile.Request{NamespacedName: job})
	}
}

// warm tells whether the queue has seen every object that existed before, on any replica.
func (d *dispatcher) warm() bool {
	for _, synced := range d.synced {
		if !synced() {
			return false
		}
	}
	return true
}

// Wake makes the dispatcher look whether a waiting job may start.
func (d *dispatcher) Wake() {
	select {
	case d.wake <- struct{}{}:
	default: // a look is due already
	}
}

// depth is the queue's, and whether this replica is the one to report it.
func (d *dispatcher) depth() (metrics.QueueDepth, bool) {
	active, pending, unaccounted := d.queue.Depth()
	return metrics.QueueDepth{
		Active: active, Pending: pending, Waiting: d.queue.Waiting(), Unaccounted: unaccounted,
	}, d.leading.Load()
}
