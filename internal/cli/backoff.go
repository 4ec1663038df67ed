package cli

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
	// patience is how long something is tried again without getting on.
	patience = 2 * time.Minute
)

// backoff waits between attempts, longer each time.
type backoff struct {
	pause time.Duration
	since time.Time // of the first of the attempts that went wrong
}

func newBackoff() *backoff { return &backoff{pause: firstPause} }

// reset is called when something has got on.
func (b *backoff) reset() { *b = backoff{pause: firstPause} }

// wait returns nil when it is time for another attempt, and the error when there have been enough.
func (b *backoff) wait(ctx context.Context, err error) error {
	if b.since.IsZero() {
		b.since = time.Now()
	}
	if time.Since(b.since) > patience {
		return err
	}
	timer := time.NewTimer(b.pause/2 + rand.N(b.pause/2))
	defer timer.Stop()
	b.pause = min(2*b.pause, maxPause)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
