package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// service is the dashboard that the metrics contract recommends: its six sections and their panels, in its order.
var service = page{
	file: "bricklayers", title: "Bricklayers", description: "What users see: requests, uploads, jobs, downloads, storage",
	rows: []row{
		{"Overview", []panel{
			{counter, "Total requests", "HTTP requests in the time range", units.Short, []query{
				{`sum(increase(http_requests_total{OURS}[$__range]))`, "requests"}}},
			{gaugeKind, "Success rate", "Share of requests answered with 2xx or 3xx", units.PercentUnit, []query{
				{`sum(rate(http_requests_total{OURS,status=~"2..|3.."}[$__rate_interval])) / sum(rate(http_requests_total{OURS}[$__rate_interval]))`, "success"}}},
			{gaugeKind, "Active jobs", "Jobs being processed", units.Short, []query{
				{`sum(processing_jobs_active{OURS})`, "active"}}},
			{graph, "Queue depth", "Jobs that wait for their turn", units.Short, []query{
				{`sum(processing_jobs_pending{OURS})`, "pending"}}},
		}},
		{"Performance", []panel{
			{heatmapKind, "Request duration", "How many requests took how long", units.Seconds, []query{
				{`sum by (le) (increase(http_request_duration_seconds_bucket{OURS}[$__rate_interval]))`, "{{le}}"}}},
			{heatmapKind, "Processing duration", "How many jobs took how long, from admission to the final status", units.Seconds, []query{
				{`sum by (le) (increase(processing_duration_seconds_bucket{OURS}[$__rate_interval]))`, "{{le}}"}}},
			{graph, "95th percentile latency", "95 % of an endpoint's requests were faster", units.Seconds, []query{
				{`histogram_quantile(0.95, sum by (le, method, endpoint) (rate(http_request_duration_seconds_bucket{OURS}[$__rate_interval])))`, "{{method}} {{endpoint}}"}}},
			{graph, "Request rate", "Requests per second by endpoint", units.RequestsPerSecond, []query{
				{`sum by (method, endpoint) (rate(http_requests_total{OURS}[$__rate_interval]))`, "{{method}} {{endpoint}}"}}},
		}},
		{"Uploads", []panel{
			{graph, "Upload rate", "Uploads per second by what became of them", units.OpsPerSecond, []query{
				{`sum by (status) (rate(uploads_total{OURS}[$__rate_interval]))`, "{{status}}"}}},
			{gaugeKind, "Upload success rate", "Share of uploads that made a job", units.PercentUnit, []query{
				{`sum(rate(uploads_total{OURS,status="success"}[$__range])) / sum(rate(uploads_total{OURS}[$__range]))`, "success"}}},
			{histogramKind, "File size distribution", "Uploaded files by size, in the time range", units.Short, []query{
				{`sum by (le) (increase(upload_file_size_bytes_bucket{OURS}[$__range]))`, "{{le}}"}}},
			{pie, "Validation failures by reason", "Why uploads were refused, in the time range", units.Short, []query{
				{`sum by (reason) (increase(upload_validation_failures_total{OURS}[$__range])) > 0`, "{{reason}}"}}},
		}},
		{"Processing", []panel{
			{graph, "Jobs completed and failed", "Jobs per minute by final status", units.Short, []query{
				{`sum by (status) (rate(processing_jobs_total{OURS}[$__rate_interval])) * 60`, "{{status}}"}}},
			{graph, "Processing duration trends", "Time from admission to the final status", units.Seconds, []query{
				{`sum(rate(processing_duration_seconds_sum{OURS}[$__rate_interval])) / sum(rate(processing_duration_seconds_count{OURS}[$__rate_interval]))`, "average"},
				{`histogram_quantile(0.95, sum by (le) (rate(processing_duration_seconds_bucket{OURS}[$__rate_interval])))`, "95 %"}}},
			{graph, "Active and pending jobs", "Jobs that run and jobs that wait", units.Short, []query{
				{`sum(processing_jobs_active{OURS})`, "active"},
				{`sum(processing_jobs_pending{OURS})`, "pending"}}},
			{graph, "Input and output size trends", "Average size of files", units.BytesSI, []query{
				{`sum(rate(processing_input_size_bytes_sum{OURS}[$__rate_interval])) / sum(rate(processing_input_size_bytes_count{OURS}[$__rate_interval]))`, "input"},
				{`sum(rate(processing_output_size_bytes_sum{OURS}[$__rate_interval])) / sum(rate(processing_output_size_bytes_count{OURS}[$__rate_interval]))`, "output"}}},
			{graph, "Why jobs wait", "Waiting jobs by reason", units.Short, []query{
				{`sum by (reason) (bricklayers_jobs_waiting{OURS})`, "{{reason}}"}}},
			{graph, "Time in the queue", "Half and 99 % of the jobs were admitted sooner", units.Seconds, []query{
				{`histogram_quantile(0.5, sum by (le) (rate(bricklayers_queue_wait_seconds_bucket{OURS}[$__rate_interval])))`, "50 %"},
				{`histogram_quantile(0.99, sum by (le) (rate(bricklayers_queue_wait_seconds_bucket{OURS}[$__rate_interval])))`, "99 %"}}},
			{graph, "Why jobs had to wait", "Jobs admitted per minute by why they had to wait when they came", units.Short, []query{
				{`sum by (reason) (rate(bricklayers_admissions_total{OURS}[$__rate_interval])) * 60`, "{{reason}}"}}},
			{graph, "Start of attempts", "Time from an attempt's Job to its process: scheduling, images, the input", units.Seconds, []query{
				{`histogram_quantile(0.5, sum by (le) (rate(bricklayers_attempt_startup_seconds_bucket{OURS}[$__rate_interval])))`, "50 %"},
				{`histogram_quantile(0.99, sum by (le) (rate(bricklayers_attempt_startup_seconds_bucket{OURS}[$__rate_interval])))`, "99 %"}}},
			{graph, "Attempts by outcome", "Attempts per minute; a job may need several", units.Short, []query{
				{`sum by (outcome) (rate(bricklayers_attempts_total{OURS}[$__rate_interval])) * 60`, "{{outcome}}"}}},
			{graph, "Error budgets", "How many times faster than the objectives allow the errors of the last hour come", units.Short, []query{
				{`max(namespace:bricklayers_upload_errors:ratio_rate1h{namespace=~"$namespace"}) / 0.001`, "uploads"},
				{`max(namespace:bricklayers_download_errors:ratio_rate1h{namespace=~"$namespace"}) / 0.001`, "downloads"},
				{`max(namespace:bricklayers_job_errors:ratio_rate1h{namespace=~"$namespace"}) / 0.01`, "jobs"},
				{`max(namespace:bricklayers_queue_errors:ratio_rate1h{namespace=~"$namespace"}) / 0.01`, "queue"}}},
			{graph, "Why jobs ended", "Finished jobs per minute by reason", units.Short, []query{
				{`sum by (reason) (rate(bricklayers_jobs_finished_total{OURS}[$__rate_interval])) * 60 > 0`, "{{reason}}"}}},
		}},
		{"Downloads", []panel{
			{graph, "Download rate", "Downloads per second by what became of them", units.OpsPerSecond, []query{
				{`sum by (status) (rate(downloads_total{OURS}[$__rate_interval]))`, "{{status}}"}}},
			{pie, "Download failures by reason", "Why downloads failed, in the time range", units.Short, []query{
				{`sum by (status) (increase(downloads_total{OURS,status!="success"}[$__range])) > 0`, "{{status}}"}}},
		}},
		{"Webhooks", []panel{
			{graph, "Webhook tries by outcome", "Tries per minute", units.Short, []query{
				{`sum by (outcome) (rate(bricklayers_webhook_tries_total{OURS}[$__rate_interval])) * 60`, "{{outcome}}"}}},
			{graph, "Webhooks to tell", "Finished jobs whose webhook does not know yet", units.Short, []query{
				{`max(bricklayers_webhooks_pending{OURS})`, "pending"}}},
		}},
		{"System health", []panel{
			{graph, "Cleanup", "Sweeps, deleted files and errors per hour", units.Short, []query{
				{`sum(increase(cleanup_runs_total{OURS}[1h]))`, "sweeps"},
				{`sum(increase(cleanup_files_deleted_total{OURS}[1h]))`, "files deleted"},
				{`sum(increase(cleanup_errors_total{OURS}[1h]))`, "errors"}}},
			{graph, "Freed by cleanup", "Bytes per hour", units.BytesSI, []query{
				{`sum(increase(cleanup_bytes_freed_total{OURS}[1h]))`, "freed"}}},
			{graph, "Memory usage", "Resident memory of each gateway", units.BytesIEC, []query{
				{`sum by (instance) (system_memory_usage_bytes{OURS})`, "{{instance}}"}}},
			{graph, "Disk usage", "Bytes in the bucket after the last sweep", units.BytesIEC, []query{
				{`max(system_disk_usage_bytes{OURS})`, "bucket"}}},
		}},
	},
}
