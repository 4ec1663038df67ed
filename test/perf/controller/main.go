// Command controller measures what the manager costs against two floors, all on the same real etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler of this machine, with KWOK completing the pods:
//
//	bare    a tight loop creates the same Jobs alone
//	writes  a tight loop creates the same Jobs with a ProcessingJob each and as many status writes as a job needs
//	ours    a tight loop creates ProcessingJobs and the manager does the rest; the program plays the gateway's commit
//
// The three alternate, because the speed of a machine drifts, and each ratio is made of one round's figures. It prints a
// line of JSON for each figure and exits with 1 when one misses its bar.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"bricklayers.dev/bricklayers/test/perf/figure"
)

type options struct {
	assets, manager string
	jobs, rounds    int
	live, long      int
}

func main() {
	o := options{}
	flag.StringVar(&o.assets, "assets", "bin/node", "folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler")
	flag.StringVar(&o.manager, "manager", "bin/manager", "the manager to measure")
	flag.IntVar(&o.jobs, "jobs", 1000, "jobs in a round")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, of which the median counts")
	flag.IntVar(&o.live, "live", 15000, "live jobs to measure the manager's memory with; 0 leaves it out")
	flag.IntVar(&o.long, "long", 50000, "jobs of the long run, a multiple of ten; 0 leaves it out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench controller:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	c, err := startCluster(ctx, o)
	if err != nil {
		return err
	}
	defer c.stop()
	p := &figure.Printer{}
	if err := throughput(ctx, c, o, p); err != nil {
		return err
	}
	if o.long > 0 {
		if err := longRun(ctx, c, o, p); err != nil {
			return fmt.Errorf("long run: %w", err)
		}
	}
	if o.live > 0 {
		if err := memory(ctx, c, o, p); err != nil {
			return fmt.Errorf("live jobs: %w", err)
		}
	}
	return p.Err()
}

// throughput alternates the floors and the manager.
func throughput(ctx context.Context, c *cluster, o options, p *figure.Printer) error {
	var bare, writes, ours, overBare, overWrites, cpu, apiWrites, apiReads, latency []float64
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		b, err := c.rate(ctx, "bare floor", o.jobs, c.floorBare)
		if err != nil {
			return fmt.Errorf("bare floor: %w", err)
		}
		w, err := c.rate(ctx, "floor with writes", o.jobs, c.floorWrites)
		if err != nil {
			return fmt.Errorf("floor with writes: %w", err)
		}
		m, err := c.measureManager(ctx, o, o.jobs)
		if err != nil {
			return fmt.Errorf("manager: %w", err)
		}
		bare, writes, ours = append(bare, b), append(writes, w), append(ours, m.rate)
		overBare, overWrites = append(overBare, m.rate/b), append(overWrites, m.rate/w)
		cpu, apiWrites, apiReads = append(cpu, m.cpu), append(apiWrites, m.writes), append(apiReads, m.reads)
		// Half the floor's rate leaves room: what is left is the manager's own delay.
		l, err := c.measureLatency(ctx, o, min(o.jobs, 300), w/2)
		if err != nil {
			return fmt.Errorf("latency: %w", err)
		}
		latency = append(latency, l)
	}
	p.Info("jobs per second, bare floor", figure.Median(bare), "1/s")
	p.Info("jobs per second, floor with the same writes", figure.Median(writes), "1/s")
	p.Info("jobs per second, manager", figure.Median(ours), "1/s")
	p.AtLeast("manager over the floor with the same writes", figure.Median(overWrites), "ratio", 0.90)
	p.AtLeast("manager over the bare floor", figure.Median(overBare), "ratio", 0.70)
	p.AtMost("API writes of the manager per job", figure.Median(apiWrites), "writes", 4)
	p.Info("API reads of the manager per job", figure.Median(apiReads), "reads")
	p.AtMost("CPU of the manager per job", figure.Median(cpu), "ms", 2)
	p.AtMost("ProcessingJob created to Job created, p99, at half the floor's rate", figure.Median(latency), "ms", 100)
	return nil
}
