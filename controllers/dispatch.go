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
)

// dispatcher hands the jobs that the queue admits to the reconciler, on the leader. The queue's feed runs on standbys too,
// so that a new leader starts with a warm queue.
type dispatcher struct {
	queue   *queue.Queue
	metrics *metrics.Manager
	log     logr.Logger
	synced  []toolscache.InformerSynced
	wake    chan struct{}
	leading atomic.Bool
}

// newDispatcher starts the feed.
func newDispatcher(ctx context.Context, q *queue.Queue, c cache.Cache, m *metrics.Manager, l logr.Logger,
) (*dispatcher, error) {
	d := &dispatcher{queue: q, metrics: m, log: l, wake: make(chan struct{}, 1)}
	var err error
	d.synced, err = q.Feed(ctx, c, d.Wake)
	return d, err
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
		d.metrics.Admitted(admission)
		d.log.Info("admitted", "namespace", admission.Key.Namespace, "job", admission.Key.Name, "waitedSeconds",
			admission.Waited.Seconds())
		out.Add(reconcile.Request{NamespacedName: admission.Key})
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
