package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/test/perf/figure"
)

const managerMetrics = "127.0.0.1:28080"

// measured is what the manager did in one measurement.
type measured struct {
	rate   float64 // jobs per second
	cpu    float64 // ms per job
	writes float64 // API writes per job
	reads  float64 // API reads per job, those of the start included
}

func (c *cluster) startManager(ctx context.Context, o options) (*exec.Cmd, error) {
	manager, err := c.start(o.manager, "--leader-elect=false", "--max-active=0",
		"--metrics-bind-address="+managerMetrics, "--health-probe-bind-address=0", "--agent-image=example.com/agent:1")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		// The queue's gauges appear when the manager has begun to admit.
		if series, err := scrape(ctx); err == nil {
			if _, leading := series["processing_jobs_active"]; leading {
				return manager, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the manager does not admit jobs; its log is %s.log beside %s: %w",
				filepath.Base(o.manager), c.kubeconfig, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *cluster) measureManager(ctx context.Context, o options, jobs int) (*measured, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	manager, err := c.startManager(ctx, o)
	if err != nil {
		return nil, err
	}
	defer stopProgram(manager)
	before, err := cpuSeconds(manager.Process.Pid)
	if err != nil {
		return nil, err
	}
	c.run++
	all := cpuByProgram()
	start := time.Now()
	if err := c.ours(ctx, fmt.Sprintf("r%d", c.run), jobs); err != nil {
		return nil, err
	}
	m := &measured{rate: float64(jobs) / time.Since(start).Seconds()}
	printCPU("manager", all, time.Since(start), jobs)
	after, err := cpuSeconds(manager.Process.Pid)
	if err != nil {
		return nil, err
	}
	m.cpu = (after - before) * 1000 / float64(jobs)
	series, err := scrape(ctx)
	if err != nil {
		return nil, err
	}
	for name, value := range series {
		if !strings.HasPrefix(name, "rest_client_requests_total{") {
			continue
		}
		if strings.Contains(name, `method="GET"`) {
			m.reads += value / float64(jobs)
		} else {
			m.writes += value / float64(jobs)
		}
	}
	stopProgram(manager)
	return m, c.clear(ctx)
}

// measureLatency makes jobs at a steady rate and returns the 99th percentile of the time from the answer to a
// ProcessingJob's creation to the sight of its Job, in ms. A job is due when the rate says so, whatever the ones before
// took.
func (c *cluster) measureLatency(ctx context.Context, o options, jobs int, rate float64) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	manager, err := c.startManager(ctx, o)
	if err != nil {
		return 0, err
	}
	defer stopProgram(manager)
	var mu sync.Mutex
	created, seen := map[string]time.Time{}, map[string]time.Time{}
	wait, err := c.follow(ctx, &batchv1.JobList{}, jobs, func(event watch.Event) (bool, func() error) {
		object, ok := event.Object.(client.Object)
		if ok {
			mu.Lock()
			seen[object.GetLabels()[childname.LabelJob]] = time.Now()
			mu.Unlock()
		}
		return ok, func() error { return nil }
	})
	if err != nil {
		return 0, err
	}
	c.run++
	start := time.Now()
	err = c.each(ctx, jobs, func(ctx context.Context, i int) error {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(due)):
		}
		job := processingJob(fmt.Sprintf("r%d-%d", c.run, i))
		if err := c.Create(ctx, job); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		created[job.Name] = time.Now()
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := wait(); err != nil {
		return 0, err
	}
	var took []float64
	for name, at := range created {
		took = append(took, max(0, float64(seen[name].Sub(at).Microseconds())/1000))
	}
	stopProgram(manager)
	return figure.Quantile(took, 0.99), c.clear(ctx)
}

// memory measures the manager with many live jobs: admitted, with their Jobs and pods, which run and never end.
func memory(ctx context.Context, c *cluster, o options, p *figure.Printer) error {
	stopProgram(c.pods)
	if err := c.startPods(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	manager, err := c.startManager(ctx, o)
	if err != nil {
		return err
	}
	defer stopProgram(manager)
	wait, err := c.follow(ctx, &batchv1.JobList{}, o.live, func(event watch.Event) (bool, func() error) {
		child, ok := event.Object.(*batchv1.Job)
		return ok && ptr.Deref(child.Status.Ready, 0) > 0, func() error { return nil }
	})
	if err != nil {
		return err
	}
	c.run++
	if err := c.each(ctx, o.live, func(ctx context.Context, i int) error {
		return c.Create(ctx, processingJob(fmt.Sprintf("r%d-%d", c.run, i)))
	}); err != nil {
		return err
	}
	if err := wait(); err != nil {
		return err
	}
	peak, err := peakRSS(manager.Process.Pid)
	if err != nil {
		return err
	}
	p.AtMost(fmt.Sprintf("peak RSS of the manager with %d live jobs", o.live), float64(peak)/(1<<20), "MiB", 100)
	return nil
}

func scrape(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+managerMetrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	series := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || lines.Text()[0] == '#' {
			continue
		}
		if value, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil {
			series[lines.Text()[:at]] = value
		}
	}
	return series, lines.Err()
}

// cpuSeconds is the user and system time of a process (proc(5), stat, fields 14 and 15, in ticks of 10 ms).
func cpuSeconds(pid int) (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in parentheses and may hold blanks.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks float64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks / 100, nil
}

// peakRSS is the largest resident size a process has had, in bytes (proc(5), status, VmHWM).
func peakRSS(pid int) (int64, error) { return statusBytes(pid, "VmHWM:") }

// residentSize is the resident size of a process now, in bytes.
func residentSize(pid int) (int64, error) { return statusBytes(pid, "VmRSS:") }

func statusBytes(pid int, field string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, field); found {
			var kib int64
			_, err := fmt.Sscan(value, &kib)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s", pid, field)
}
