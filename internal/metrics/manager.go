package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queue"
)

// statusLabel turns a final phase into the contract's value of processing_jobs_total{status}.
var statusLabel = map[v1alpha1.Phase]string{
	v1alpha1.PhaseCompleted: "completed",
	v1alpha1.PhaseError:     "error",
	v1alpha1.PhaseTimeout:   "timeout",
}

// finalReasons are the reasons a job can end with: the values of bricklayers_jobs_finished_total{reason}. Which of them
// are a fault of the installation rather than of the input is for the alerts to say.
var finalReasons = []string{
	v1alpha1.ReasonCompleted, v1alpha1.ReasonInputRejected, v1alpha1.ReasonInvalidParameters,
	v1alpha1.ReasonProcessorFailed, v1alpha1.ReasonFetchFailed, v1alpha1.ReasonStoreFailed, v1alpha1.ReasonOutOfMemory,
	v1alpha1.ReasonResultMissing, v1alpha1.ReasonNameConflict, v1alpha1.ReasonJobRefused, v1alpha1.ReasonJobDeleted,
	v1alpha1.ReasonProcessorNotFound, v1alpha1.ReasonNotStarted, v1alpha1.ReasonDeadlineExceeded,
}

// Manager holds the metrics that the manager raises.
type Manager struct {
	finished   map[v1alpha1.Phase]prometheus.Counter
	reasons    *prometheus.CounterVec
	duration   prometheus.Histogram
	inputSize  prometheus.Histogram
	outputSize prometheus.Histogram

	queueWait     prometheus.Histogram
	estimateError prometheus.Histogram
	admissions    map[string]prometheus.Counter
	startUp       prometheus.Histogram
	attempts      map[AttemptOutcome]prometheus.Counter
}

// AttemptOutcome is how one attempt ended.
type AttemptOutcome string

// The attempt outcomes.
const (
	AttemptSucceeded     AttemptOutcome = "succeeded"
	AttemptInputRejected AttemptOutcome = "input_rejected"
	AttemptFailed        AttemptOutcome = "failed"
	AttemptOutOfMemory   AttemptOutcome = "out_of_memory"
	AttemptTimeout       AttemptOutcome = "timeout"
	AttemptLost          AttemptOutcome = "lost"
)

// queueBuckets are seconds: from at once to a day.
var queueBuckets = []float64{0.1, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400}

// startUpBuckets are seconds: from an image that is there to one that is pulled over a slow line.
var startUpBuckets = []float64{0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600}

// QueueDepth is what the manager knows of its queue at this moment.
type QueueDepth struct {
	Active  int
	Pending int
	Waiting map[string]int // of the pending, by reason
	// Unaccounted is how many jobs the queue has lost or counts twice.
	Unaccounted int
}

// NewManager registers the manager's metrics. depth is asked at each scrape and answers false on a standby, which then
// exposes no queue gauges: two replicas must not report the same jobs twice.
func NewManager(reg prometheus.Registerer, depth func() (QueueDepth, bool)) *Manager {
	finished := counterVec("processing_jobs_total", "Total processing jobs by final status", "status")
	m := &Manager{
		finished: make(map[v1alpha1.Phase]prometheus.Counter, len(statusLabel)),
		reasons: counterVec("bricklayers_jobs_finished_total",
			"Total finished jobs by the reason they ended with", "reason"),
		duration:   histogram("processing_duration_seconds", "Time taken to process jobs", processingBuckets),
		inputSize:  histogram("processing_input_size_bytes", "Size of input files processed", sizeBuckets),
		outputSize: histogram("processing_output_size_bytes", "Size of output files produced", sizeBuckets),
		queueWait: histogram("bricklayers_queue_wait_seconds",
			"Time from a job's arrival in the queue to its admission", queueBuckets),
		estimateError: histogram("bricklayers_queue_estimate_error_seconds",
			"Difference between the estimated and the actual time in the queue", queueBuckets),
		admissions: make(map[string]prometheus.Counter, len(queue.Reasons)),
		startUp: histogram("bricklayers_attempt_startup_seconds",
			"Time from the creation of an attempt's Job to the start of its process, input fetched", startUpBuckets),
		attempts: map[AttemptOutcome]prometheus.Counter{},
	}
	admissions := counterVec("bricklayers_admissions_total",
		"Jobs that left the queue to run, by why they had to wait when they came", "reason")
	for _, reason := range queue.Reasons {
		m.admissions[reason] = admissions.WithLabelValues(reason)
	}
	attempts := counterVec("bricklayers_attempts_total", "Attempts that ended, by outcome", "outcome")
	for _, outcome := range []AttemptOutcome{
		AttemptSucceeded, AttemptInputRejected, AttemptFailed, AttemptOutOfMemory, AttemptTimeout, AttemptLost,
	} {
		m.attempts[outcome] = attempts.WithLabelValues(string(outcome))
	}
	for phase, status := range statusLabel {
		m.finished[phase] = finished.WithLabelValues(status)
	}
	for _, reason := range finalReasons {
		m.reasons.WithLabelValues(reason)
	}
	reg.MustRegister(appInfo("Controller manager"), finished, m.reasons, m.duration, m.inputSize, m.outputSize,
		m.queueWait, m.estimateError, admissions, m.startUp, attempts,
		&queueCollector{depth: depth})
	return m
}

// Admitted observes one job that left the queue. Here and below, traceID is "" where there is no trace of the job.
func (m *Manager) Admitted(a queue.Admission, traceID string) {
	observe(m.queueWait, a.Waited.Seconds(), traceID)
	observe(m.estimateError, a.EstimateError.Seconds(), traceID)
	m.admissions[a.Reason].Inc()
}

// Started observes how long an attempt took from its Job to its process. Call it once per attempt that got so far, when
// it ends.
func (m *Manager) Started(took time.Duration, traceID string) {
	observe(m.startUp, took.Seconds(), traceID)
}

// Attempt counts one attempt that ended. Call it after the write that says so succeeded.
func (m *Manager) Attempt(outcome AttemptOutcome) {
	m.attempts[outcome].Inc()
}

// Finished counts one job that reached a final phase. Call it once per job, after the write of that phase succeeded.
func (m *Manager) Finished(job *v1alpha1.ProcessingJob, traceID string) {
	status := &job.Status
	m.finished[status.Phase].Inc()
	m.reasons.WithLabelValues(status.Reason).Inc()
	if status.StartTime != nil && status.CompletionTime != nil {
		observe(m.duration, status.CompletionTime.Sub(status.StartTime.Time).Seconds(), traceID)
	}
	if status.Input != nil && status.Input.Size != nil {
		observe(m.inputSize, float64(*status.Input.Size), traceID)
	}
	if status.Output == nil {
		return
	}
	for _, file := range status.Output.Files {
		if file.Size != nil {
			observe(m.outputSize, float64(*file.Size), traceID)
		}
	}
}

var (
	activeDesc = prometheus.NewDesc("processing_jobs_active",
		"Number of jobs currently being processed", nil, nil)
	pendingDesc = prometheus.NewDesc("processing_jobs_pending",
		"Number of jobs waiting in queue", nil, nil)
	unaccountedDesc = prometheus.NewDesc("bricklayers_jobs_unaccounted",
		"Jobs accepted minus those pending, active, held, finished and gone; other than 0 the bookkeeping is wrong", nil, nil)
	waitingDesc = prometheus.NewDesc("bricklayers_jobs_waiting",
		"Number of jobs waiting in queue by reason", []string{"reason"}, nil)
)

type queueCollector struct {
	depth func() (QueueDepth, bool)
}

func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- activeDesc
	ch <- pendingDesc
	ch <- waitingDesc
	ch <- unaccountedDesc
}

func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	depth, leading := c.depth()
	if !leading {
		return
	}
	ch <- prometheus.MustNewConstMetric(activeDesc, prometheus.GaugeValue, float64(depth.Active))
	ch <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, float64(depth.Pending))
	ch <- prometheus.MustNewConstMetric(unaccountedDesc, prometheus.GaugeValue, float64(depth.Unaccounted))
	for _, reason := range queue.Reasons {
		ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(depth.Waiting[reason]), reason)
	}
}
