package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Values of uploads_total{status}.
const (
	UploadSuccess          = "success"
	UploadFailedSize       = "failed_size"
	UploadFailedValidation = "failed_validation"
	UploadFailedError      = "failed_error"
)

// Values of downloads_total{status}.
const (
	DownloadSuccess           = "success"
	DownloadFailedNotFound    = "failed_not_found"
	DownloadFailedNotReady    = "failed_not_ready"
	DownloadFailedFileMissing = "failed_file_missing"
)

// Values of bricklayers_webhook_tries_total{outcome}.
const (
	WebhookDelivered  = "delivered"
	WebhookFailed     = "failed" // it is tried again
	WebhookNotAllowed = "not_allowed"
	WebhookGivenUp    = "given_up"
)

// Gateway holds the metrics that the gateway raises.
type Gateway struct {
	requests         *prometheus.CounterVec
	requestDuration  *prometheus.HistogramVec
	Uploads          *prometheus.CounterVec // by status
	uploadFileSize   prometheus.Histogram   // bytes
	UploadValidation *prometheus.CounterVec // by reason
	Downloads        *prometheus.CounterVec // by status
	CleanupRuns      prometheus.Counter
	CleanupFiles     prometheus.Counter
	CleanupBytes     prometheus.Counter
	CleanupErrors    prometheus.Counter
	DiskUsage        prometheus.Gauge // bytes
	BucketFailing    prometheus.Gauge // 0 or 1

	WebhookTries    *prometheus.CounterVec // by outcome
	WebhooksPending prometheus.Gauge
}

// NewGateway registers the gateway's metrics. validationReasons is the closed list of reasons for which an upload can
// fail validation.
func NewGateway(reg prometheus.Registerer, validationReasons []string) *Gateway {
	m := &Gateway{
		requests: counterVec("http_requests_total", "Total HTTP requests", "method", "endpoint", "status"),
		requestDuration: prometheus.NewHistogramVec(
			histogramOpts("http_request_duration_seconds", "HTTP request duration in seconds", requestBuckets),
			[]string{"method", "endpoint"}),
		Uploads:        counterVec("uploads_total", "Total file uploads", "status"),
		uploadFileSize: histogram("upload_file_size_bytes", "Size of uploaded files in bytes", sizeBuckets),
		UploadValidation: counterVec("upload_validation_failures_total",
			"Upload validation failures by reason", "reason"),
		Downloads:     counterVec("downloads_total", "Total file downloads by status", "status"),
		CleanupRuns:   counter("cleanup_runs_total", "Total cleanup service runs"),
		CleanupFiles:  counter("cleanup_files_deleted_total", "Total files deleted by cleanup service"),
		CleanupBytes:  counter("cleanup_bytes_freed_total", "Total bytes freed by cleanup service"),
		CleanupErrors: counter("cleanup_errors_total", "Total errors during cleanup operations"),
		DiskUsage:     gauge("system_disk_usage_bytes", "Current disk usage for temp directories"),
		BucketFailing: gauge("bricklayers_bucket_failing", "1 while the gateway cannot write to its bucket, else 0"),

		WebhookTries:    counterVec("bricklayers_webhook_tries_total", "Tries to tell a webhook, by outcome", "outcome"),
		WebhooksPending: gauge("bricklayers_webhooks_pending", "Number of finished jobs whose webhook is still to be told"),
	}
	reg.MustRegister(appInfo("HTTP gateway"), m.requests, m.requestDuration, m.Uploads, m.uploadFileSize,
		m.UploadValidation, m.Downloads, m.CleanupRuns, m.CleanupFiles, m.CleanupBytes, m.CleanupErrors,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "system_memory_usage_bytes", Help: "Current memory usage in bytes",
		}, residentMemory), m.DiskUsage, m.BucketFailing, m.WebhookTries, m.WebhooksPending)
	for _, status := range []string{UploadSuccess, UploadFailedSize, UploadFailedValidation, UploadFailedError} {
		m.Uploads.WithLabelValues(status)
	}
	for _, status := range []string{
		DownloadSuccess, DownloadFailedNotFound, DownloadFailedNotReady, DownloadFailedFileMissing,
	} {
		m.Downloads.WithLabelValues(status)
	}
	for _, outcome := range []string{WebhookDelivered, WebhookFailed, WebhookNotAllowed, WebhookGivenUp} {
		m.WebhookTries.WithLabelValues(outcome)
	}
	for _, reason := range validationReasons {
		m.UploadValidation.WithLabelValues(reason)
	}
	return m
}

// Uploaded counts an upload that has made its job. traceID is "" where there is no trace of it.
func (m *Gateway) Uploaded(size int64, traceID string) {
	m.Uploads.WithLabelValues(UploadSuccess).Inc()
	observe(m.uploadFileSize, float64(size), traceID)
}

// Route holds the metrics of one HTTP route, looked up once so that a request allocates nothing for them.
type Route struct {
	duration prometheus.Observer
	byStatus map[int]prometheus.Counter
	other    func(status int) prometheus.Counter
}

// Route declares one HTTP route, its path as the pattern that operators see ("/api/v1/status/{job_id}"), with the
// statuses it answers, which then exist at zero.
func (m *Gateway) Route(method, endpoint string, statuses ...int) *Route {
	count := func(status int) prometheus.Counter {
		return m.requests.WithLabelValues(method, endpoint, strconv.Itoa(status))
	}
	r := &Route{
		duration: m.requestDuration.WithLabelValues(method, endpoint),
		byStatus: make(map[int]prometheus.Counter, len(statuses)),
		other:    count,
	}
	for _, status := range statuses {
		r.byStatus[status] = count(status)
	}
	return r
}

// Observe counts one answered request and its duration in seconds. traceID is "" where there is no trace of it.
func (r *Route) Observe(status int, seconds float64, traceID string) {
	c, ok := r.byStatus[status]
	if !ok {
		c = r.other(status)
	}
	c.Inc()
	observe(r.duration, seconds, traceID)
}
