// Package controllers follows ProcessingJobs from the queue to their end.
//
// A reconcile looks at what is, decides (decide.go), writes at most one status, and only then tells anybody. It never
// trusts what an earlier reconcile thought: every status write carries the resourceVersion that the decision was based
// on, so a decision from a stale cache is refused by the API server and made again.
package controllers

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/internal/slim"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// Reconciler follows ProcessingJobs.
type Reconciler struct {
	client.Client
	// Live reads past the cache, for facts that must not be stale.
	Live    client.Reader
	Events  events.EventRecorder
	Metrics *metrics.Manager
	Tracer  *tracing.Tracer // nil when tracing is off
	Clock   clock.Clock
	Access  PodAccess

	cached     client.Reader // for the slim kinds, which the Client does not know
	superseded superseded
	queue      *queue.Queue
	dispatcher *dispatcher
}

// Reconcile brings one ProcessingJob a step further.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	job := &v1alpha1.ProcessingJob{}
	if err := r.Get(ctx, req.NamespacedName, job); err != nil {
		if apierrors.IsNotFound(err) {
			r.superseded.forget(req.NamespacedName)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, err
	}
	if job.DeletionTimestamp != nil || r.superseded.is(job) {
		return ctrl.Result{}, nil // of a deleted one the Jobs follow by owner reference
	}
	result, err := r.step(ctx, job)
	if apierrors.IsConflict(err) {
		// The cache was older than the object. The newer state is on its way and brings another reconcile.
		return ctrl.Result{}, nil
	}
	return result, err
}

func (r *Reconciler) step(ctx context.Context, job *v1alpha1.ProcessingJob) (ctrl.Result, error) {
	switch {
	case job.Status.Phase.Finished():
		return r.reconcileFinished(ctx, job)
	case queue.Suspended(job):
		return ctrl.Result{}, r.reconcileSuspended(ctx, job)
	case queue.KueueManaged(job):
		return r.reconcileKueue(ctx, job)
	case job.Status.Phase == v1alpha1.PhaseRunning:
		return r.reconcileRunning(ctx, job)
	case r.queue.Admitted(job.UID):
		return r.reconcileAdmitted(ctx, job)
	}
	return ctrl.Result{}, r.reconcileWaiting(ctx, job)
}

// SetupWithManager starts the queue's feed and registers the controller. At most `concurrency` jobs are reconciled at
// once.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, limits queue.Limits, concurrency int) error {
	r.cached = mgr.GetCache()
	r.queue = queue.New(limits, r.Clock)
	r.dispatcher = &dispatcher{queue: r.queue, metrics: r.Metrics, tracer: r.Tracer, log: mgr.GetLogger()}
	if err := r.dispatcher.feed(ctx, mgr.GetCache()); err != nil {
		return err
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &slim.Pod{}, podsByOwner, indexPodByOwner); err != nil {
		return fmt.Errorf("failed to index pods: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ProcessingJob{}).
		Watches(&slim.Job{}, handler.EnqueueRequestsFromMapFunc(ownerOfChild), builder.WithPredicates(changed[*slim.Job]())).
		Watches(&slim.Pod{}, handler.EnqueueRequestsFromMapFunc(jobOfPod), builder.WithPredicates(changed[*slim.Pod]())).
		WatchesRawSource(source.Func(r.dispatcher.Start)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// QueueDepth is for the metrics: what waits and what runs, and whether this replica is the one to say.
func (r *Reconciler) QueueDepth() (metrics.QueueDepth, bool) {
	if r.dispatcher == nil {
		return metrics.QueueDepth{}, false
	}
	return r.dispatcher.depth()
}
