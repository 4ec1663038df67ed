package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// retryFor bounds how long one request is repeated: longer than a gateway takes to restart, shorter than a user waits.
const retryFor = 2 * time.Minute

// backoff is the pause between two tries: doubling, and spread so that pods that failed together do not come together.
type backoff struct {
	first, longest time.Duration
	total          time.Duration
}

var defaultBackoff = backoff{first: 250 * time.Millisecond, longest: 15 * time.Second, total: retryFor}

// temporaryError is worth another try.
type temporaryError struct{ err error }

func (e *temporaryError) Error() string { return e.err.Error() }
func (e *temporaryError) Unwrap() error { return e.err }

func temporary(format string, args ...any) error {
	return &temporaryError{fmt.Errorf(format, args...)}
}

// worthRetrying tells which answers may be another one soon: 401 comes while the API server does not know the pod yet.
func worthRetrying(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusRequestTimeout:
		return true
	}
	return status >= 500
}

// retry repeats do while it returns a temporaryError and there is time.
func (b backoff) retry(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(b.total)
	for pause := b.first; ; pause = min(2*pause, b.longest) {
		err := do()
		var temporary *temporaryError
		if err == nil || !errors.As(err, &temporary) {
			return err
		}
		wait := pause/2 + rand.N(pause)
		if time.Now().Add(wait).After(deadline) {
			return fmt.Errorf("gave up after %s: %w", b.total, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
