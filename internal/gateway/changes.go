package gateway

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// changes wakes whoever waits for jobs to change.
type changes struct {
	mu      sync.Mutex
	waiting map[types.NamespacedName]map[*news]struct{} // by job
}

func newChanges() *changes {
	return &changes{waiting: map[types.NamespacedName]map[*news]struct{}{}}
}

// news is which of some jobs may have changed.
type news struct {
	C <-chan struct{} // holds a token whenever there is something to take

	wake    chan<- struct{}
	mu      sync.Mutex
	changed map[types.NamespacedName]struct{}
}

// take returns the jobs that may have changed since it was called last.
func (n *news) take() []types.NamespacedName {
	n.mu.Lock()
	defer n.mu.Unlock()
	jobs := make([]types.NamespacedName, 0, len(n.changed))
	for job := range n.changed {
		jobs = append(jobs, job)
	}
	clear(n.changed)
	return jobs
}

// add never blocks: a token that was not taken yet stands for this change, too.
func (n *news) add(job types.NamespacedName) {
	n.mu.Lock()
	n.changed[job] = struct{}{}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// subscribe returns the news of some jobs. cancel ends that.
func (c *changes) subscribe(jobs ...types.NamespacedName) (n *news, cancel func()) {
	wake := make(chan struct{}, 1)
	n = &news{C: wake, wake: wake, changed: map[types.NamespacedName]struct{}{}}
	jobs = slices.Clone(jobs)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, job := range jobs {
		if c.waiting[job] == nil {
			c.waiting[job] = map[*news]struct{}{}
		}
		c.waiting[job][n] = struct{}{}
	}
	return n, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, job := range jobs {
			delete(c.waiting[job], n)
			if len(c.waiting[job]) == 0 {
				delete(c.waiting, job)
			}
		}
	}
}

func (c *changes) notify(job types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.waiting[job] {
		n.add(job)
	}
}
