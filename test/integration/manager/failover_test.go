package manager_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"

	"github.com/prometheus/client_golang/prometheus"
)

// TestLeaderKilledUnderLoad kills the leading one of two managers while jobs run: the other takes over within the lease,
// every job ends once with one Job, and never do both report the queue.
func TestLeaderKilledUnderLoad(t *testing.T) {
	t.Parallel()
	const jobs = 20
	f := newFixture(t)
	f.lease = true
	f.processor()
	f.playKubelet(t, []int32{0})

	leader := &faultyClient{}
	f.wrapClient = leader.wrap
	stopLeader := f.startManager()
	first := f.registry
	controlplane.Eventually(t, "the first manager to lead", func(context.Context) (bool, error) { return reportsQueue(t, first), nil })
	f.wrapClient = nil
	f.startManager()
	second := f.registry

	for i := range jobs {
		f.job(fmt.Sprintf("job-%d", i))
		if i != jobs/2 {
			continue
		}
		if reportsQueue(t, second) {
			t.Error("the standby reports the queue")
		}
		leader.kill()
		killed := time.Now()
		stopLeader()
		controlplane.Eventually(t, "the standby to lead", func(context.Context) (bool, error) { return reportsQueue(t, second), nil })
		// Half a second to acquire, and what a busy machine needs to start the controllers.
		if gap := time.Since(killed); gap > leaseDuration+3*time.Second {
			t.Errorf("nobody led for %s, the lease is %s", gap, leaseDuration)
		}
	}
	for i := range jobs {
		f.untilPhase(fmt.Sprintf("job-%d", i), v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted)
	}
	list := &batchv1.JobList{}
	if err := f.client.List(t.Context(), list, client.InNamespace(f.namespace)); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != jobs {
		t.Errorf("%d Jobs for %d ProcessingJobs", len(list.Items), jobs)
	}
	total := 0.0
	for _, registry := range []*prometheus.Registry{first, second} {
		f.registry = registry
		total += f.metric("processing_jobs_total", "status", "completed")
	}
	if total > jobs || total < jobs-1 { // the killed one may have died between its last write and the count of it
		t.Errorf("%v completions were counted of %d", total, jobs)
	}
}

// reportsQueue tells whether a manager exposes the queue's gauges.
func reportsQueue(t *testing.T, registry *prometheus.Registry) bool {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "processing_jobs_active" {
			return true
		}
	}
	return false
}

// kill lets nothing of the manager reach the API server any more.
func (c *faultyClient) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = true
}
