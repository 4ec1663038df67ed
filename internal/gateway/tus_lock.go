package gateway

import (
	"context"
	"net/http"
	"sync"

	tusd "github.com/tus/tusd/v2/pkg/handler"
)

// tusLocks has the requests for one upload run one after the other within this process, and a later one end an earlier:
// the client has given that up. It only spares clients second tries. What keeps an upload whole, here and between
// replicas, is that each part is created once.
//
// tusd has a locker of its own, but interrupts a request through a variable that it does not guard.
type tusLocks struct {
	mu   sync.Mutex
	held map[string]*tusLock // by upload
}

func newTusLocks() *tusLocks { return &tusLocks{held: map[string]*tusLock{}} }

type tusLock struct {
	locks    *tusLocks
	id       string
	holder   *tusRequest
	released chan struct{}
}

// NewLock implements tusd.Locker.
func (l *tusLocks) NewLock(id string) (tusd.Lock, error) {
	return &tusLock{locks: l, id: id, released: make(chan struct{})}, nil
}

// Lock implements tusd.Lock.
func (l *tusLock) Lock(ctx context.Context, _ func()) error {
	l.holder = tusRequestOf(ctx)
	for {
		earlier := l.locks.take(l)
		if earlier == nil {
			return nil
		}
		earlier.holder.interrupt(false)
		select {
		case <-earlier.released:
		case <-ctx.Done():
			return l.holder.fail(fail(http.StatusLocked, reasonSuperseded,
				"an earlier request for the same upload is not through yet; try again"))
		}
	}
}

// take makes the lock the holder, unless there is one; then it returns that.
func (l *tusLocks) take(lock *tusLock) (earlier *tusLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if earlier := l.held[lock.id]; earlier != nil {
		return earlier
	}
	l.held[lock.id] = lock
	return nil
}

// Unlock implements tusd.Lock.
func (l *tusLock) Unlock() error {
	l.locks.mu.Lock()
	delete(l.locks.held, l.id)
	l.locks.mu.Unlock()
	close(l.released)
	return nil
}
