package gateway

import (
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// Quota bounds what a namespace may keep. It is compared with the jobs that the cache knows and with the uploads that
// this replica is taking: together, replicas may let through as much more as is on its way through the others, and each
// of them what it has made a job of within the moment until the cache shows it.
type Quota struct {
	Jobs  int   // 0: no limit
	Bytes int64 // of uploaded files and results; 0: no limit
}

// quotas holds what uploads under way will add.
type quotas struct {
	Quota
	index *index

	mu     sync.Mutex
	coming map[string]*usage // by namespace
}

// usage is how much there is of what a quota bounds.
type usage struct {
	jobs  int
	bytes int64
}

// newQuotas returns nil where nothing is bounded.
func newQuotas(quota Quota, index *index) *quotas {
	if quota == (Quota{}) {
		return nil
	}
	return &quotas{Quota: quota, index: index, coming: map[string]*usage{}}
}

// quotaRetry is when a refused upload may be tried again: jobs expire, and people delete them.
const quotaRetry = time.Minute

// claim is what one upload will add.
type claim struct {
	quotas    *quotas
	namespace string
	usage
}

// newClaim makes room for one more job.
func (q *quotas) newClaim(namespace string) (*claim, error) {
	if q == nil {
		return nil, nil
	}
	c := &claim{quotas: q, namespace: namespace}
	return c, c.add(usage{jobs: 1})
}

// grow makes room for so many bytes more. Nil grows without bounds.
func (c *claim) grow(bytes int64) error {
	if c == nil {
		return nil
	}
	return c.add(usage{bytes: bytes})
}

func (c *claim) add(more usage) error {
	q := c.quotas
	q.mu.Lock()
	defer q.mu.Unlock()
	coming := q.coming[c.namespace]
	if coming == nil {
		coming = &usage{}
		q.coming[c.namespace] = coming
	}
	there := q.index.usage(c.namespace)
	if jobs := there.jobs + coming.jobs + more.jobs; q.Jobs > 0 && more.jobs > 0 && jobs > q.Jobs {
		return fail(http.StatusTooManyRequests, reasonQuota,
			"the namespace %q may have %d jobs, and has; delete some, or wait until they expire", c.namespace, q.Jobs).
			after(quotaRetry)
	}
	if bytes := there.bytes + coming.bytes + more.bytes; q.Bytes > 0 && bytes > q.Bytes {
		return fail(http.StatusInsufficientStorage, reasonQuota,
			"the namespace %q may keep %d bytes, and this would make it more; delete jobs, or wait until they expire",
			c.namespace, q.Bytes).after(quotaRetry)
	}
	coming.jobs += more.jobs
	coming.bytes += more.bytes
	c.jobs += more.jobs
	c.bytes += more.bytes
	return nil
}

// release ends a claim: what it stood for is a job by now, or nothing.
func (c *claim) release() {
	if c == nil {
		return
	}
	q := c.quotas
	q.mu.Lock()
	defer q.mu.Unlock()
	coming := q.coming[c.namespace]
	if coming == nil {
		return
	}
	coming.jobs -= c.jobs
	coming.bytes -= c.bytes
	if *coming == (usage{}) {
		delete(q.coming, c.namespace)
	}
	c.usage = usage{}
}

// usageOf is what a job takes: the upload it names and the result it has.
func usageOf(job *v1alpha1.ProcessingJob) usage {
	u := usage{jobs: 1}
	if upload := job.Spec.Input.Upload; upload != nil {
		u.bytes += ptr.Deref(upload.Size, 0)
	}
	if output := job.Status.Output; output != nil {
		for _, file := range output.Files {
			u.bytes += ptr.Deref(file.Size, 0)
		}
	}
	return u
}
