// Package cleanup deletes bytes that nothing refers to any more: files of jobs that are gone, of uploads that never
// became a job or were not finished in time, and what attempts left that did not win. It never touches what a job
// refers to, nor anything young.
package cleanup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/storage"
)

// Options are the settings of the cleanup service.
type Options struct {
	Interval time.Duration // between the starts of two sweeps
	// GracePeriod is the age below which nothing is deleted. It must be longer than an upload may take: until its job
	// is made, a file is referred to by nothing.
	GracePeriod time.Duration
	DryRun      bool // only say what would be deleted
}

// deletesPerSecond keeps a sweep from crowding out uploads and downloads.
const deletesPerSecond = 200

// Sweeper is the cleanup service. One of all gateways runs it at a time.
type Sweeper struct {
	Options
	Store   *storage.Store
	Jobs    client.Reader // reads past the cache: a job that is missing in an old list is no reason to delete its files
	Metrics *metrics.Gateway
	Now     func(context.Context) (time.Time, error) // by the bucket's clock
}

// Run sweeps at once and then on the interval, until the context ends.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(s.Interval)
	defer ticker.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "a sweep ended early")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sweep goes over the bucket once, or over the rest of it when the last sweep did not come to its end. It goes on after
// an object that cannot be judged or deleted, and counts it as an error; it returns an error when it could not go over
// all of it.
func (s *Sweeper) Sweep(ctx context.Context) error {
	s.Metrics.CleanupRuns.Inc()
	p, err := s.begin(ctx)
	if err == nil {
		err = p.walk(ctx)
	}
	if err != nil {
		s.Metrics.CleanupErrors.Inc()
		return err
	}
	s.Metrics.DiskUsage.Set(float64(p.done.Kept))
	if err := p.abortUnfinished(ctx); err != nil && ctx.Err() == nil {
		s.Metrics.CleanupErrors.Inc()
		log.FromContext(ctx).Error(err, "cannot look for writes in parts that nobody finished; they stay and take room")
	}
	log.FromContext(ctx).Info(
		"swept", "deleted", p.deleted, "bytesFreed", p.freed, "bytesKept", p.done.Kept, "dryRun", s.DryRun)
	return nil
}

// begin begins a pass where the last one ended.
func (s *Sweeper) begin(ctx context.Context) (*pass, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the bucket for the time: %w", err)
	}
	p := &pass{
		Sweeper: s,
		oldest:  now.Add(-s.GracePeriod),
		limiter: rate.NewLimiter(deletesPerSecond, deletesPerSecond),
		saved:   time.Now(),
	}
	if s.DryRun {
		return p, nil
	}
	switch progress, err := s.Store.SweepProgress(ctx); {
	case err == nil:
		p.done = *progress
		log.FromContext(ctx).Info("going on with a sweep that did not come to its end", "after", progress.After)
	case !errors.Is(err, storage.ErrNotFound):
		log.FromContext(ctx).Error(err, "cannot tell how far the last sweep was; beginning anew")
	}
	return p, nil
}

// pass is one sweep under way. A bucket is walked namespace by namespace, so it knows the jobs of one at a time.
type pass struct {
	*Sweeper
	oldest  time.Time // what is younger stays
	limiter *rate.Limiter

	namespace string
	jobs      *jobs

	upload  string // the resumable upload that was looked at last
	expired bool   // whether it is

	done           storage.SweepProgress
	saved          time.Time
	deleted, freed int64
}

// walk visits every object, from where the last pass ended. What keeps it from going on at the very place where it
// begins would do so again: then the next pass begins anew.
func (p *pass) walk(ctx context.Context) error {
	began := p.done.After
	err := p.Store.Walk(ctx, began, func(object storage.Listed) error { return p.visit(ctx, object) })
	stuck := err != nil && ctx.Err() == nil && p.done.After == began
	p.save(ctx, err == nil || stuck)
	return err
}

// saveEvery is how much of a sweep may have to be done again.
const saveEvery = 30 * time.Second

// save notes how far the pass is, or that it is through. A dry run goes over everything each time.
func (p *pass) save(ctx context.Context, through bool) {
	if p.DryRun {
		return
	}
	p.saved = time.Now()
	progress := &p.done
	if through {
		progress = nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveEvery)
	defer cancel()
	if err := p.Store.SaveSweepProgress(ctx, progress); err != nil {
		log.FromContext(ctx).Error(err, "failed to note how far the sweep is")
	}
}

func (p *pass) visit(ctx context.Context, object storage.Listed) error {
	doomed := false
	if object.ModTime.Before(p.oldest) {
		var err error
		if doomed, err = p.unreferenced(ctx, object.Key); err != nil {
			if ctx.Err() != nil {
				return err
			}
			p.Metrics.CleanupErrors.Inc()
			log.FromContext(ctx).Error(err, "cannot tell whether an object is referred to; it stays", "key", object.Key)
		}
	}
	if !doomed {
		p.done.Kept += object.Size
	} else if err := p.delete(ctx, object); err != nil {
		return err
	}
	p.done.After = object.Key
	if time.Since(p.saved) > saveEvery {
		p.save(ctx, false)
	}
	return nil
}

func (p *pass) delete(ctx context.Context, object storage.Listed) error {
	logger := log.FromContext(ctx).WithValues("key", object.Key, "bytes", object.Size)
	if p.DryRun {
		logger.Info("would delete")
		p.done.Kept += object.Size
		return nil
	}
	if err := p.limiter.Wait(ctx); err != nil {
		return err
	}
	switch err := p.Store.Delete(ctx, object.Key); {
	case errors.Is(err, storage.ErrNotFound): // somebody was faster
	case err != nil:
		p.Metrics.CleanupErrors.Inc()
		p.done.Kept += object.Size
		logger.Error(err, "failed to delete")
	default:
		logger.V(1).Info("deleted")
		p.deleted++
		p.freed += object.Size
		p.Metrics.CleanupFiles.Inc()
		p.Metrics.CleanupBytes.Add(float64(object.Size))
	}
	return nil
}

// abortUnfinished drops writes in parts that a process left when it was killed. Nothing refers to them.
func (p *pass) abortUnfinished(ctx context.Context) error {
	return p.Store.WalkUnfinished(ctx, func(write storage.Unfinished) error {
		if !write.Begun.Before(p.oldest) {
			return nil
		}
		logger := log.FromContext(ctx).WithValues("key", write.Key, "begun", write.Begun)
		if p.DryRun {
			logger.Info("would drop an unfinished write")
			return nil
		}
		if err := p.limiter.Wait(ctx); err != nil {
			return err
		}
		if err := p.Store.AbortUnfinished(ctx, write); err != nil {
			p.Metrics.CleanupErrors.Inc()
			logger.Error(err, "failed to drop an unfinished write")
			return nil
		}
		logger.V(1).Info("dropped an unfinished write")
		p.deleted++
		p.Metrics.CleanupFiles.Inc()
		return nil
	})
}

// unreferenced tells whether an old object is of no use to anybody. When in doubt it is.
func (p *pass) unreferenced(ctx context.Context, key string) (bool, error) {
	place := storage.Locate(key)
	switch place.Kind {
	case storage.PlaceUnknown:
		return false, nil
	case storage.PlaceProbe, storage.PlaceJunk:
		return true, nil
	case storage.PlaceResumable:
		return p.resumableExpired(ctx, place)
	}
	if p.jobs == nil || p.namespace != place.Namespace {
		listed, err := listJobs(ctx, p.Jobs, place.Namespace)
		if err != nil {
			return false, err
		}
		p.jobs, p.namespace = listed, place.Namespace
	}
	if place.Kind == storage.PlaceInput {
		return p.inputUnreferenced(ctx, place)
	}
	job, exists := p.jobs.byUID[place.Job]
	if !exists {
		return true, nil // a UID is never used again
	}
	if place.Kind == storage.PlaceResult || !job.finished {
		return false, nil
	}
	return p.outputUnreferenced(ctx, place, job)
}

// resumableExpired tells whether an upload is over, with the grace period for a request that began before it was.
func (p *pass) resumableExpired(ctx context.Context, place storage.Place) (bool, error) {
	if p.upload == place.Namespace+"/"+place.Upload {
		return p.expired, nil
	}
	facts, err := p.Store.Resumable(ctx, place.Namespace, place.Upload)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		listed, listErr := p.Store.ResumableListed(ctx, place.Namespace, place.Upload)
		if listErr != nil || listed {
			return false, errors.Join(err, listErr)
		}
		p.expired = true
	case err != nil:
		return false, err
	default:
		p.expired = facts.Expires.Before(p.oldest)
	}
	p.upload = place.Namespace + "/" + place.Upload
	return p.expired, nil
}

// inputUnreferenced asks the API server again: the same name can be used again, by a repeated upload.
func (p *pass) inputUnreferenced(ctx context.Context, place storage.Place) (bool, error) {
	if job, exists := p.jobs.byName[place.Job]; exists {
		return job.upload != place.File, nil
	}
	err := p.Jobs.Get(ctx, client.ObjectKey{Namespace: place.Namespace, Name: place.Job}, &v1alpha1.ProcessingJob{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("get ProcessingJob %s/%s: %w", place.Namespace, place.Job, err)
	}
	return false, nil
}

// outputUnreferenced looks at the result of a finished job. That of a job with a result cannot be missing: who deleted it,
// or took the right to read it, shall not have deleted the files with it.
func (p *pass) outputUnreferenced(ctx context.Context, place storage.Place, job job) (bool, error) {
	manifest, err := p.Store.Result(ctx, place.Namespace, place.Job)
	if errors.Is(err, storage.ErrNotFound) && !job.output {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return manifest.PodUID != place.Pod || manifest.File(place.File) == nil, nil
}
