package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"bricklayers.dev/bricklayers/internal/storage"
)

// healthz says that the process serves requests. Nothing that a restart would not mend belongs here.
func healthz(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "ok\n")
	return err
}

// readiness tells whether uploads would work.
type readiness struct {
	synced func() bool
	probe  func(context.Context) error

	mu     sync.Mutex
	probed time.Time
	err    error
}

const (
	probeEvery   = 10 * time.Second // a probe writes to the bucket, which costs money in some
	probeTimeout = 5 * time.Second
)

func (r *readiness) serve(w http.ResponseWriter, _ *http.Request) error {
	if !r.synced() {
		return notSynced()
	}
	switch err := r.bucket(); {
	case errors.Is(err, storage.ErrFull):
		return fail(http.StatusServiceUnavailable, reasonStorageFull, "the bucket is full").because(err).after(probeEvery)
	case err != nil:
		return fail(http.StatusServiceUnavailable, reasonStorage,
			"the bucket cannot be written").because(err).after(probeEvery)
	}
	_, err := io.WriteString(w, "ok\n")
	return err
}

// bucket probes the bucket, or returns what the last probe said. Whoever asks while one is under way waits for it.
func (r *readiness) bucket() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.probed) >= probeEvery {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		r.err = r.probe(ctx)
		r.probed = time.Now()
	}
	return r.err
}
