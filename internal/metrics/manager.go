package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"bricklayers.dev/bricklayers/api/v1alpha1"
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
}

// QueueDepth is what the manager knows of its queue at this moment.
type QueueDepth struct {
	Active  int
	Pending int
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
	}
	for phase, status := range statusLabel {
		m.finished[phase] = finished.WithLabelValues(status)
	}
	for _, reason := range finalReasons {
		m.reasons.WithLabelValues(reason)
	}
	reg.MustRegister(appInfo("Controller manager"), finished, m.reasons, m.duration, m.inputSize, m.outputSize,
		&queueCollector{depth: depth})
	return m
}

// Finished counts one job that reached a final phase. Call it once per job, after the write of that phase succeeded.
func (m *Manager) Finished(job *v1alpha1.ProcessingJob) {
	status := &job.Status
	m.finished[status.Phase].Inc()
	m.reasons.WithLabelValues(status.Reason).Inc()
	if status.StartTime != nil && status.CompletionTime != nil {
		m.duration.Observe(status.CompletionTime.Sub(status.StartTime.Time).Seconds())
	}
	if status.Input != nil && status.Input.Size != nil {
		m.inputSize.Observe(float64(*status.Input.Size))
	}
	if status.Output == nil {
		return
	}
	for _, file := range status.Output.Files {
		if file.Size != nil {
			m.outputSize.Observe(float64(*file.Size))
		}
	}
}

var (
	activeDesc = prometheus.NewDesc("processing_jobs_active",
		"Number of jobs currently being processed", nil, nil)
	pendingDesc = prometheus.NewDesc("processing_jobs_pending",
		"Number of jobs waiting in queue", nil, nil)
)

type queueCollector struct {
	depth func() (QueueDepth, bool)
}

func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- activeDesc
	ch <- pendingDesc
}

func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	depth, leading := c.depth()
	if !leading {
		return
	}
	ch <- prometheus.MustNewConstMetric(activeDesc, prometheus.GaugeValue, float64(depth.Active))
	ch <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, float64(depth.Pending))
}
