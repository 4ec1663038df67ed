// Package contract holds the published metrics contract as data: what the gateway and the manager owe their operators.
// Tests hold scrapes against it, and the table in docs/monitoring.md is made from it.
package contract

// Process is one of the programs that are scraped.
type Process string

// The programs, by the value of app_info{description}.
const (
	Gateway Process = "HTTP gateway"
	Manager Process = "Controller manager"
)

// Label is a label of a family and the values it may have.
type Label struct {
	Name string
	// Values is the closed list; each of them exists from the start at zero, in every combination with other labels.
	Values []string
	// Pattern is a regular expression for what is no list.
	Pattern string
}

// Family is one metric of the contract.
type Family struct {
	Name        string
	Type        string // counter, gauge, histogram or info, as the contract says
	Description string // its HELP
	Labels      []Label
	Buckets     []float64 // upper bounds, without +Inf
	By          []Process
	// LeaderOnly families are exposed by the leading replica of the process alone.
	LeaderOnly bool
	Raised     string // when, for people
	Source     string // file that raises it
}

const (
	kB = 1e3
	mB = 1e6
)

var (
	sizes        = []float64{100 * kB, 500 * kB, 1 * mB, 5 * mB, 10 * mB, 25 * mB, 50 * mB, 100 * mB}
	byGateway    = []Process{Gateway}
	byManager    = []Process{Manager}
	methodLabel  = Label{Name: "method", Pattern: `GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|OTHER`}
	pathLabel    = Label{Name: "endpoint", Pattern: `/[a-z0-9/_{}.]*|other`}
	httpStatuses = Label{Name: "status", Pattern: `[1-5][0-9]{2}`}
)

// Families are the contract, in its order.
var Families = []Family{
	{
		Name: "app_info", Type: "info", Description: "Application metadata",
		Labels: []Label{
			{Name: "name", Values: []string{"bricklayers"}},
			{Name: "version", Pattern: `.+`},
			{Name: "description", Pattern: string(Gateway) + "|" + string(Manager)},
		},
		By: []Process{Gateway, Manager}, Raised: "always 1", Source: "internal/metrics/metrics.go",
	},
	{
		Name: "http_requests_total", Type: "counter", Description: "Total HTTP requests",
		Labels: []Label{methodLabel, pathLabel, httpStatuses}, By: byGateway,
		Raised: "when a request was answered", Source: "internal/gateway/route.go",
	},
	{
		Name: "http_request_duration_seconds", Type: "histogram", Description: "HTTP request duration in seconds",
		Labels: []Label{methodLabel, pathLabel}, Buckets: []float64{0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10}, By: byGateway,
		Raised: "when a request was answered, without the time that a client asked to wait for a job",
		Source: "internal/gateway/route.go",
	},
	{
		Name: "uploads_total", Type: "counter", Description: "Total file uploads",
		Labels: []Label{{Name: "status", Values: []string{"success", "failed_size", "failed_validation", "failed_error"}}},
		By:     byGateway, Raised: "when an upload was answered; success once its job exists",
		Source: "internal/gateway/upload.go",
	},
	{
		Name: "upload_file_size_bytes", Type: "histogram", Description: "Size of uploaded files in bytes",
		Buckets: sizes, By: byGateway, Raised: "with each upload that succeeded", Source: "internal/gateway/upload.go",
	},
	{
		Name: "upload_validation_failures_total", Type: "counter", Description: "Upload validation failures by reason",
		Labels: []Label{{Name: "reason", Pattern: `[a-z0-9_]+`}}, By: byGateway,
		Raised: "with each upload that failed for a reason of the client's", Source: "internal/gateway/upload.go",
	},
	{
		Name: "processing_jobs_total", Type: "counter", Description: "Total processing jobs by final status",
		Labels: []Label{{Name: "status", Values: []string{"completed", "error", "timeout"}}}, By: byManager,
		Raised: "once per job, after its final status was written", Source: "controllers/status.go",
	},
	{
		Name: "processing_jobs_active", Type: "gauge", Description: "Number of jobs currently being processed",
		By: byManager, LeaderOnly: true, Raised: "counted at each scrape", Source: "controllers/dispatch.go",
	},
	{
		Name: "processing_jobs_pending", Type: "gauge", Description: "Number of jobs waiting in queue",
		By: byManager, LeaderOnly: true, Raised: "counted at each scrape; suspended jobs do not wait",
		Source: "controllers/dispatch.go",
	},
	{
		Name: "processing_duration_seconds", Type: "histogram", Description: "Time taken to process jobs",
		Buckets: []float64{1, 5, 10, 30, 60, 120, 300, 600}, By: byManager,
		Raised: "with each finished job that was started: from admission to the final status", Source: "controllers/status.go",
	},
	{
		Name: "processing_input_size_bytes", Type: "histogram", Description: "Size of input files processed",
		Buckets: sizes, By: byManager, Raised: "with each finished job whose input was read", Source: "controllers/status.go",
	},
	{
		Name: "processing_output_size_bytes", Type: "histogram", Description: "Size of output files produced",
		Buckets: sizes, By: byManager, Raised: "for each file of a finished job's result", Source: "controllers/status.go",
	},
	{
		Name: "downloads_total", Type: "counter", Description: "Total file downloads by status",
		Labels: []Label{{Name: "status", Values: []string{
			"success", "failed_not_found", "failed_not_ready", "failed_file_missing",
		}}},
		By: byGateway, Raised: "when a download was answered", Source: "internal/gateway/download.go",
	},
	{
		Name: "cleanup_runs_total", Type: "counter", Description: "Total cleanup service runs",
		By: byGateway, Raised: "at the start of each sweep of the bucket", Source: "internal/cleanup/sweep.go",
	},
	{
		Name: "cleanup_files_deleted_total", Type: "counter", Description: "Total files deleted by cleanup service",
		By: byGateway, Raised: "with each file that a sweep deleted", Source: "internal/cleanup/sweep.go",
	},
	{
		Name: "cleanup_bytes_freed_total", Type: "counter", Description: "Total bytes freed by cleanup service",
		By: byGateway, Raised: "with each file that a sweep deleted", Source: "internal/cleanup/sweep.go",
	},
	{
		Name: "cleanup_errors_total", Type: "counter", Description: "Total errors during cleanup operations",
		By: byGateway, Raised: "with each file that a sweep could not judge or delete, and each sweep that ended early",
		Source: "internal/cleanup/sweep.go",
	},
	{
		Name: "system_memory_usage_bytes", Type: "gauge", Description: "Current memory usage in bytes",
		By: byGateway, Raised: "measured at each scrape: resident memory of the process", Source: "internal/metrics/memory.go",
	},
	{
		Name: "system_disk_usage_bytes", Type: "gauge", Description: "Current disk usage for temp directories",
		By: byGateway, Raised: "at the end of each sweep, by the replica that sweeps: bytes the bucket holds",
		Source: "internal/cleanup/sweep.go",
	},
}

// Extra are the families beyond the contract, all prefixed bricklayers_.
var Extra = []Family{
	{
		Name: "bricklayers_jobs_finished_total", Type: "counter",
		Description: "Total finished jobs by the reason they ended with",
		Labels: []Label{{Name: "reason", Values: []string{
			"Completed", "InputRejected", "InvalidParameters", "ProcessorFailed", "FetchFailed", "StoreFailed", "OutOfMemory",
			"ResultMissing", "NameConflict", "JobRefused", "JobDeleted", "ProcessorNotFound", "NotStarted", "DeadlineExceeded",
		}}},
		By: byManager, Raised: "once per job, after its final status was written", Source: "controllers/status.go",
	},
	{
		Name: "bricklayers_attempts_total", Type: "counter", Description: "Attempts that ended, by outcome",
		Labels: []Label{{Name: "outcome", Values: []string{
			"succeeded", "input_rejected", "failed", "out_of_memory", "timeout", "lost",
		}}},
		By: byManager, Raised: "once per attempt, after the status that tells its end was written",
		Source: "controllers/decide.go",
	},
	{
		Name: "bricklayers_jobs_waiting", Type: "gauge", Description: "Number of jobs waiting in queue by reason",
		Labels: []Label{{Name: "reason", Values: []string{
			"Queued", "InstallationLimit", "ProcessorLimit", "NamespaceLimit", "ProcessorNotFound",
		}}},
		By: byManager, LeaderOnly: true, Raised: "counted at each scrape", Source: "controllers/dispatch.go",
	},
	{
		Name: "bricklayers_jobs_unaccounted", Type: "gauge",
		Description: "Jobs accepted minus those pending, active, held, finished and gone; other than 0 the bookkeeping is wrong",
		By:          byManager, LeaderOnly: true, Raised: "at each scrape", Source: "internal/queue/ledger.go",
	},
	{
		Name: "bricklayers_admissions_total", Type: "counter",
		Description: "Jobs that left the queue to run, by why they had to wait when they came",
		Labels: []Label{{Name: "reason", Values: []string{
			"Queued", "InstallationLimit", "ProcessorLimit", "NamespaceLimit", "ProcessorNotFound",
		}}},
		By: byManager, Raised: "with each job that is admitted", Source: "controllers/dispatch.go",
	},
	{
		Name: "bricklayers_attempt_startup_seconds", Type: "histogram",
		Description: "Time from the creation of an attempt's Job to the start of its process, input fetched",
		Buckets:     []float64{0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600}, By: byManager,
		Raised: "once per attempt whose process started, when it has ended", Source: "controllers/decide.go",
	},
	{
		Name: "bricklayers_queue_wait_seconds", Type: "histogram",
		Description: "Time from a job's arrival in the queue to its admission",
		Buckets:     []float64{0.1, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400}, By: byManager,
		Raised: "with each job that is admitted", Source: "controllers/dispatch.go",
	},
	{
		Name: "bricklayers_queue_estimate_error_seconds", Type: "histogram",
		Description: "Difference between the estimated and the actual time in the queue",
		Buckets:     []float64{0.1, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400}, By: byManager,
		Raised: "with each job that is admitted", Source: "controllers/dispatch.go",
	},
	{
		Name: "bricklayers_bucket_failing", Type: "gauge", Description: "1 while the gateway cannot write to its bucket, else 0",
		By: byGateway, Raised: "with each probe of the bucket, every 10 s at most while something asks `/readyz`",
		Source: "internal/gateway/health.go",
	},
	{
		Name: "bricklayers_webhook_tries_total", Type: "counter", Description: "Tries to tell a webhook, by outcome",
		Labels: []Label{{Name: "outcome", Values: []string{"delivered", "failed", "not_allowed", "given_up"}}},
		By:     byGateway, Raised: "with each try, by the replica that delivers", Source: "internal/webhook/delivery.go",
	},
	{
		Name: "bricklayers_webhooks_pending", Type: "gauge",
		Description: "Number of finished jobs whose webhook is still to be told",
		By:          byGateway, Raised: "when one comes or is settled, by the replica that delivers", Source: "internal/webhook/delivery.go",
	},
}

// ValidationReasons are values of upload_validation_failures_total{reason} that the contract names; all others exist at
// zero as well, but which they are follows from what the content check knows.
var ValidationReasons = []string{"file_too_large", "invalid_extension"}
