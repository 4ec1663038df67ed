package gateway

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// changes wakes whoever waits for a job to change.
type changes struct {
	mu      sync.Mutex
	waiting map[types.NamespacedName]map[chan struct{}]struct{} // by job
}

func newChanges() *changes {
	return &changes{waiting: map[types.NamespacedName]map[chan struct{}]struct{}{}}
}

// subscribe returns a channel that holds a token whenever the job may have changed since the last was taken. cancel
// ends that.
func (c *changes) subscribe(job types.NamespacedName) (changed <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[job] == nil {
		c.waiting[job] = map[chan struct{}]struct{}{}
	}
	c.waiting[job][ch] = struct{}{}
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting[job], ch)
		if len(c.waiting[job]) == 0 {
			delete(c.waiting, job)
		}
	}
}

// notify never blocks: a token that was not taken yet stands for this change, too.
func (c *changes) notify(job types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ch := range c.waiting[job] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
