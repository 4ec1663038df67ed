package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// controller is for those who operate the manager.
var controller = page{
	file: "bricklayers-controller", title: "Bricklayers / Controller",
	description: "How the manager works: leader, work queue, reconciles, API calls, memory",
	rows: []row{
		{"State", []panel{
			{counter, "Managers", "Managers that are scraped", units.Short, []query{
				{`count(app_info{OURS,description="Controller manager"})`, "managers"}}},
			{counter, "Leaders", "Managers that lead; anything but 1 is wrong", units.Short, []query{
				{`count(processing_jobs_active{OURS})`, "leaders"}}},
			{gaugeKind, "Busy workers", "Share of the workers that reconcile at this moment", units.PercentUnit, []query{
				{`sum(controller_runtime_active_workers{OURS}) / sum(controller_runtime_max_concurrent_reconciles{OURS})`, "busy"}}},
			{counter, "Unaccounted jobs", "Jobs that the queue lost or counts twice; anything but 0 is wrong", units.Short, []query{
				{`max(abs(bricklayers_jobs_unaccounted{OURS}))`, "jobs"}}},
			{counter, "Reconcile errors", "In the time range", units.Short, []query{
				{`sum(increase(controller_runtime_reconcile_errors_total{OURS}[$__range]))`, "errors"}}},
		}},
		{"Work queue", []panel{
			{graph, "Depth", "Objects that wait for a worker", units.Short, []query{
				{`sum by (name) (workqueue_depth{OURS})`, "{{name}}"}}},
			{graph, "Adds and retries", "Per second", units.OpsPerSecond, []query{
				{`sum by (name) (rate(workqueue_adds_total{OURS}[$__rate_interval]))`, "{{name}} adds"},
				{`sum by (name) (rate(workqueue_retries_total{OURS}[$__rate_interval]))`, "{{name}} retries"}}},
			{graph, "Time in the queue", "99 % waited shorter", units.Seconds, []query{
				{`histogram_quantile(0.99, sum by (le, name) (rate(workqueue_queue_duration_seconds_bucket{OURS}[$__rate_interval])))`, "{{name}}"}}},
			{graph, "Longest running step", "Of those under way", units.Seconds, []query{
				{`max by (name) (workqueue_longest_running_processor_seconds{OURS})`, "{{name}}"}}},
		}},
		{"Reconciles", []panel{
			{graph, "Rate by result", "Per second", units.OpsPerSecond, []query{
				{`sum by (result) (rate(controller_runtime_reconcile_total{OURS}[$__rate_interval]))`, "{{result}}"}}},
			{graph, "Duration", "Half and 99 % took shorter", units.Seconds, []query{
				{`histogram_quantile(0.5, sum by (le) (rate(controller_runtime_reconcile_time_seconds_bucket{OURS}[$__rate_interval])))`, "50 %"},
				{`histogram_quantile(0.99, sum by (le) (rate(controller_runtime_reconcile_time_seconds_bucket{OURS}[$__rate_interval])))`, "99 %"}}},
		}},
		{"API server", []panel{
			{graph, "Requests", "Per second by method and status code", units.RequestsPerSecond, []query{
				{`sum by (method, code) (rate(rest_client_requests_total{OURS}[$__rate_interval]))`, "{{method}} {{code}}"}}},
			{graph, "Refused or failed requests", "Share of requests answered with 4xx or 5xx", units.PercentUnit, []query{
				{`(sum(rate(rest_client_requests_total{OURS,code=~"4..|5.."}[$__rate_interval])) or vector(0)) / sum(rate(rest_client_requests_total{OURS}[$__rate_interval]))`, "failed"}}},
		}},
		{"Processes", []panel{
			{graph, "Memory", "Resident memory of each process", units.BytesIEC, []query{
				{`process_resident_memory_bytes{OURS}`, "{{job}} {{instance}}"}}},
			{graph, "CPU", "Cores", units.Short, []query{
				{`rate(process_cpu_seconds_total{OURS}[$__rate_interval])`, "{{job}} {{instance}}"}}},
			{graph, "Goroutines", "Of each process", units.Short, []query{
				{`go_goroutines{OURS}`, "{{job}} {{instance}}"}}},
			{graph, "Restarts", "Processes that began within the last hour", units.Short, []query{
				{`sum by (job) (time() - process_start_time_seconds{OURS} < bool 3600)`, "{{job}}"}}},
		}},
	},
}
