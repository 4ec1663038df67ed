package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/test/perf/figure"
)

const (
	// maxShare is what counting may add to what is counted.
	maxShare = 0.01
	// requestsOfAnUpload are the client's and the one that creates the ProcessingJob.
	requestsOfAnUpload = 2
	// requestsOfAJob are the least that the manager sends for a job: its admission, the Job, and its end.
	requestsOfAJob = 3
)

// instrumentation measures what an upload and a job take to be counted, against a floor of both: requests over loopback
// to a server that does nothing. Real ones take longer, so that the real share is smaller; the difference between two
// runs, with and without, would be lost in the noise of either.
func instrumentation(p *figure.Printer) error {
	request, err := emptyRequest()
	if err != nil {
		return err
	}
	for _, counted := range []struct {
		name     string
		count    func()
		requests float64
	}{
		{"upload", countUpload(), requestsOfAnUpload},
		{"job", countJob(), requestsOfAJob},
	} {
		took := perRun(counted.count)
		p.AtMost(counted.name+"_instrumentation_share", took/(counted.requests*request), "ratio", maxShare)
		p.AtMost(counted.name+"_instrumentation_allocations", testing.AllocsPerRun(1000, counted.count), "allocations", 0)
	}
	return nil
}

// perRun is how many seconds a function takes.
func perRun(f func()) float64 {
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			f()
		}
	})
	return result.T.Seconds() / float64(result.N)
}

// emptyRequest is how many seconds the least request over loopback takes.
func emptyRequest() (seconds float64, err error) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	seconds = perRun(func() {
		response, getErr := server.Client().Get(server.URL)
		if getErr == nil {
			_, getErr = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close() // read to its end
		}
		if getErr != nil {
			err = fmt.Errorf("the floor: %w", getErr)
		}
	})
	return seconds, err
}

// countUpload returns what the gateway does to count an upload that succeeds.
func countUpload() func() {
	m := metrics.NewGateway(prometheus.NewRegistry(), nil)
	route := m.Route(http.MethodPost, "/api/v1/upload", http.StatusCreated)
	size := int64(0)
	return func() {
		began := time.Now()
		m.Uploaded(size, "")
		route.Observe(http.StatusCreated, time.Since(began).Seconds(), "")
		size++
	}
}

// countJob returns what the manager does to count a job from its admission to its end.
func countJob() func() {
	m := metrics.NewManager(prometheus.NewRegistry(), func() (metrics.QueueDepth, bool) { return metrics.QueueDepth{}, true })
	now := time.Now()
	file := v1alpha1.File{Size: ptr.To[int64](3 << 20)}
	job := &v1alpha1.ProcessingJob{Status: v1alpha1.ProcessingJobStatus{
		Phase: v1alpha1.PhaseCompleted, Reason: v1alpha1.ReasonCompleted,
		StartTime: &metav1.Time{Time: now}, CompletionTime: &metav1.Time{Time: now.Add(time.Minute)},
		Input: &file, Output: &v1alpha1.Output{Files: []v1alpha1.File{file}},
	}}
	admission := queue.Admission{Waited: time.Second, EstimateError: time.Second, Reason: queue.Reasons[0]}
	return func() {
		m.Admitted(admission, "")
		m.Started(time.Second, "")
		m.Attempt(metrics.AttemptSucceeded)
		m.Finished(job, "")
	}
}
