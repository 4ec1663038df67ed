package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/internal/storage"
)

// healthz says that the process serves requests. Nothing that a restart would not mend belongs here.
func healthz(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "ok\n")
	return err
}

// readiness tells whether uploads would work.
type readiness struct {
	synced  func() bool
	probe   func(context.Context) error
	failing prometheus.Gauge // 1 while the bucket cannot be written

	mu     sync.Mutex
	probed time.Time
	err    error
}

const (
	probeEvery   = 10 * time.Second // a probe writes to the bucket, which costs money in some
	probeTimeout = 5 * time.Second
)

// The checks that a request can have left out, by ?exclude=, as those of kube-apiserver.
const (
	checkCluster = "cluster"
	checkBucket  = "bucket"
)

func (r *readiness) serve(w http.ResponseWriter, request *http.Request) error {
	excluded := request.URL.Query()["exclude"]
	for _, name := range excluded {
		if name != checkCluster && name != checkBucket {
			return fail(http.StatusBadRequest, reasonBadField, "exclude is %q; there are the checks %s and %s",
				name, checkCluster, checkBucket)
		}
	}
	if !slices.Contains(excluded, checkCluster) && !r.synced() {
		return notSynced()
	}
	if slices.Contains(excluded, checkBucket) {
		r.probeBeside()
	} else if err := bucketProblem(r.bucket()); err != nil {
		return err
	}
	_, err := io.WriteString(w, "ok\n")
	return err
}

func bucketProblem(err error) error {
	switch {
	case errors.Is(err, storage.ErrFull):
		return fail(http.StatusServiceUnavailable, reasonStorageFull, "the bucket is full").because(err).after(probeEvery)
	case err != nil:
		return fail(http.StatusServiceUnavailable, reasonStorage,
			"the bucket cannot be written").because(err).after(probeEvery)
	}
	return nil
}

// bucket probes the bucket, or returns what the last probe said. Whoever asks while one is under way waits for it.
func (r *readiness) bucket() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.err
}

// probeBeside keeps the metric up to date while nobody waits for the bucket.
func (r *readiness) probeBeside() {
	if !r.mu.TryLock() {
		return // a probe is under way
	}
	go func() {
		defer r.mu.Unlock()
		r.refresh()
	}()
}

// refresh probes the bucket if that is due.
func (r *readiness) refresh() {
	if time.Since(r.probed) >= probeEvery {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		r.err = r.probe(ctx)
		r.probed = time.Now()
		r.failing.Set(0)
		if r.err != nil {
			r.failing.Set(1)
			log.FromContext(ctx).Error(r.err, "the bucket cannot be written")
		}
	}
}
