package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// memoryPerWrite is a part on its way, one being filled, and half as much that the collector lets lie beside them.
	memoryPerWrite = 3 * partSize
	// memoryWait is how long a write waits for memory: a client's patience.
	memoryWait = 20 * time.Second
)

// budget is the memory that writes may hold together. A quarter of it is for results: clients that send slowly hold the
// rest for as long as their uploads take, and a pod whose result finds no room for minutes has worked in vain.
type budget struct{ all, uploads *semaphore.Weighted }

// newBudget makes a budget of so many bytes, or says that they are too few.
func newBudget(bytes int64) (*budget, error) {
	if bytes < memoryPerWrite {
		return nil, fmt.Errorf("%d bytes of memory for writes are too few: one takes %d", bytes, memoryPerWrite)
	}
	return &budget{
		all: semaphore.NewWeighted(bytes), uploads: semaphore.NewWeighted(max(bytes/4*3, memoryPerWrite)),
	}, nil
}

// acquire takes the memory of one write, of an upload or of a result, and returns how to give it back. It returns ErrBusy
// when none is free for too long. A nil budget has no bounds.
func (b *budget) acquire(ctx context.Context, upload bool) (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	waiting, cancel := context.WithTimeout(ctx, memoryWait)
	defer cancel()
	if upload {
		if err := b.uploads.Acquire(waiting, memoryPerWrite); err != nil {
			return nil, errors.Join(ErrBusy, ctx.Err())
		}
	}
	release = func() {
		b.all.Release(memoryPerWrite)
		if upload {
			b.uploads.Release(memoryPerWrite)
		}
	}
	if err := b.all.Acquire(waiting, memoryPerWrite); err != nil {
		if upload {
			b.uploads.Release(memoryPerWrite)
		}
		return nil, errors.Join(ErrBusy, ctx.Err())
	}
	return release, nil
}
