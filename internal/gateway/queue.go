package gateway

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"sync/atomic"
	"time"

	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queueapi"
)

const (
	// askAgain is how old an answer about the queue may be: however many ask for a job, the manager is asked once.
	askAgain = 2 * time.Second
	// maxAsked is how many answers are kept.
	maxAsked = 10_000
)

// queue knows how long jobs wait, from the manager, the only one that sees all of them. Without it, or while it cannot be
// reached, jobs are described without their place in the queue.
type queue struct {
	ask     func(ctx context.Context, namespace, name string) (*queueapi.Waiting, error)
	answers *utilcache.LRUExpireCache
	quiet   atomic.Int64 // until when nothing is asked, in Unix nanoseconds: a manager that is away is so for all jobs
}

func newQueue(ask func(ctx context.Context, namespace, name string) (*queueapi.Waiting, error)) *queue {
	return &queue{ask: ask, answers: utilcache.NewLRUExpireCache(maxAsked)}
}

// waiting is a job's place in the queue, nil when it has none or none is known.
func (q *queue) waiting(ctx context.Context, job *v1alpha1.ProcessingJob) *queueapi.Waiting {
	if q.ask == nil || phaseOf(job) != v1alpha1.PhasePending {
		return nil
	}
	if answer, known := q.answers.Get(job.UID); known {
		waiting, _ := answer.(*queueapi.Waiting)
		return waiting
	}
	if time.Now().UnixNano() < q.quiet.Load() {
		return nil
	}
	waiting, err := q.ask(ctx, job.Namespace, job.Name)
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, queueapi.ErrNotWaiting):
		waiting = nil
	case err != nil:
		log.FromContext(ctx).V(1).Info("the queue could not be asked", "job", job.Name, "error", err.Error())
		q.quiet.Store(time.Now().Add(askAgain).UnixNano())
		return nil
	case waiting.EstimateSeconds != nil:
		waiting.EstimateSeconds = ptr.To(math.Ceil(*waiting.EstimateSeconds)) // finer would be news each time
	}
	q.answers.Add(job.UID, waiting, askAgain)
	return waiting
}

// tagWith names a version of a job together with its place in the queue, which is not of the object.
func tagWith(etag string, waiting *queueapi.Waiting) string {
	if waiting == nil {
		return etag
	}
	place := fmt.Appendf(nil, "%s %d %g", waiting.Reason, ptr.Deref(waiting.Position, -1), ptr.Deref(waiting.EstimateSeconds, -1))
	return fmt.Sprintf(`%s.%08x"`, strings.TrimSuffix(etag, `"`), crc32.ChecksumIEEE(place))
}

// knowsVersion tells whether an If-None-Match header names a version of a job, whatever its place in the queue was.
func knowsVersion(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		version, _, _ := strings.Cut(strings.TrimSpace(candidate), ".")
		if matches(strings.TrimSuffix(version, `"`)+`"`, etag) || version == "*" {
			return true
		}
	}
	return false
}
