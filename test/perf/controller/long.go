package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/watch"

	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/test/perf/figure"
)

// window is how many jobs of the long run are unfinished at any time, so that its first tenth is like its last but for
// the finished jobs that are kept.
const window = 200

// longRun measures whether a job costs more when many finished ones are kept, and then what a restart costs with all
// of them present.
func longRun(ctx context.Context, c *cluster, o options, p *figure.Printer) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Hour)
	defer cancel()
	manager, err := c.startManager(ctx, o)
	if err != nil {
		return err
	}
	defer func() { stopProgram(manager) }()
	c.run++
	run := fmt.Sprintf("r%d", c.run)
	tenths, resident, err := c.steady(ctx, run, o.long, manager)
	if err != nil {
		return err
	}
	p.AtMost(fmt.Sprintf("last tenth over first tenth of %d jobs, time per job", o.long),
		tenths[9].Seconds()/tenths[0].Seconds(), "ratio", 1.2)
	p.AtMost("added RSS of the manager per finished, retained job",
		float64(resident[9]-resident[0])/float64(o.long*9/10)/1024, "KiB", 6)
	stopProgram(manager)
	if manager, err = c.restart(ctx, o, run, p); err != nil {
		return err
	}
	stopProgram(manager)
	return c.clear(ctx)
}

// steady keeps the manager busy with a window of jobs until so many are finished. It returns how long each tenth of them
// took and the manager's resident bytes at its end.
func (c *cluster) steady(ctx context.Context, run string, jobs int, manager *exec.Cmd,
) (took [10]time.Duration, resident [10]int64, err error) {
	places := make(chan struct{}, window)
	finishedOne := make(chan struct{}, jobs)
	committed, err := c.playGateway(ctx, jobs, func() { finishedOne <- struct{}{} })
	if err != nil {
		return took, resident, err
	}
	measured := make(chan error, 1)
	go func() {
		start := time.Now()
		for i := range jobs {
			select {
			case <-ctx.Done():
				measured <- ctx.Err()
				return
			case <-finishedOne:
				<-places
			}
			if tenth := (i + 1) * 10 / jobs; (i+1)*10%jobs == 0 {
				took[tenth-1] = time.Since(start)
				start = time.Now()
				if resident[tenth-1], err = residentSize(manager.Process.Pid); err != nil {
					measured <- err
					return
				}
			}
		}
		measured <- nil
	}()
	if err := c.each(ctx, jobs, func(ctx context.Context, i int) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case places <- struct{}{}:
		}
		return c.Create(ctx, processingJob(fmt.Sprintf("%s-%d", run, i)))
	}); err != nil {
		return took, resident, err
	}
	if err := committed(); err != nil {
		return took, resident, err
	}
	return took, resident, <-measured
}

// restart measures how long a manager that finds all these jobs takes until it admits a new one, and whether it counts
// any of the old ones again.
func (c *cluster) restart(ctx context.Context, o options, run string, p *figure.Printer) (*exec.Cmd, error) {
	wait, err := c.follow(ctx, &batchv1.JobList{}, 1, func(event watch.Event) (bool, func() error) {
		child, ok := event.Object.(*batchv1.Job)
		return ok && child.Labels[childname.LabelJob] == run+"-new", func() error { return nil }
	})
	if err != nil {
		return nil, err
	}
	if err := c.Create(ctx, processingJob(run+"-new")); err != nil {
		return nil, err
	}
	start := time.Now()
	manager, err := c.startManager(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := wait(); err != nil {
		return manager, err
	}
	p.AtMost(fmt.Sprintf("start to first admission with %d finished jobs present", o.long), time.Since(start).Seconds(), "s", 10)
	series, err := scrape(ctx)
	if err != nil {
		return manager, err
	}
	var counted float64
	for name, value := range series {
		if strings.HasPrefix(name, "processing_jobs_total{") {
			counted += value
		}
	}
	p.AtMost("jobs counted again after the restart", counted, "jobs", 0)
	return manager, nil
}
