package e2e_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/dashboards"
)

// What the test does while Prometheus looks on.
const (
	goodJobs, badJobs   = 2, 1
	refusedUploads      = 1
	goodDownloads       = 3
	downloadsOfNothing  = 1
	sweptFiles          = 3 // of the job that is deleted: input, output, manifest; not all are old enough at once
	uploadsThatMadeAJob = goodJobs + badJobs
	tolerance           = 0.15 // of what a rate over a window that is not full yet extrapolates
	sweepInterval       = 5 * time.Second
	sweepGrace          = 21 * time.Second // longer than the upload timeout of 20 s
)

// TestPrometheus has two real Prometheus scrape the product, one by the scrape configuration of the contract and one by
// the Prometheus Operator, and holds their answers to each query of the contract, and of each panel of the dashboards,
// against what was done.
func TestPrometheus(t *testing.T) {
	require(t)
	installOperator(t)
	sweepOften(t)
	operated, plain := startOperated(t), startPrometheus(t)
	servers := map[string]prometheusServer{"scrape configuration": plain, "operator": operated}
	before := scrape(t)
	doSomeOfEverything(t)
	for _, p := range servers {
		p.until(t, "the files of a deleted job to be swept", `sum(increase(cleanup_files_deleted_total[5m]))`,
			sweptFiles*(1-tolerance))
		p.until(t, "the last download to be scraped", `sum(increase(downloads_total{status="success"}[5m]))`,
			goodDownloads*(1-tolerance))
	}
	after, now := scrape(t), time.Now()
	moved := func(series string) float64 { return after[series] - before[series] }

	for name, p := range servers {
		t.Run(name, func(t *testing.T) {
			t.Run("contract queries", func(t *testing.T) { contractQueries(t, p, now, moved) })
			t.Run("dashboards", func(t *testing.T) { dashboardQueries(t, p, now) })
			t.Run("rules", func(t *testing.T) { healthyRules(t, p) })
		})
	}
	t.Run("targets of the operator", func(t *testing.T) { targetsOfServiceMonitors(t, operated) })
}

// sweepOften has the cleanup service run, and the operator's Prometheus scrape, every few seconds for the time of the test.
func sweepOften(t *testing.T) {
	t.Helper()
	upgrade := func(args ...string) error {
		return program(t.Context(), "helm", append([]string{"upgrade", "bricklayers", "charts/bricklayers", "--namespace", namespace,
			"--wait", "--timeout", "3m"}, args...)...)
	}
	err := upgrade("--set", fmt.Sprintf("gateway.sweep.interval=%s,gateway.sweep.gracePeriod=%s,gateway.uploadTimeout=20s,"+
		"monitoring.serviceMonitor.interval=1s", sweepInterval, sweepGrace))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context is done by now.
		if err := restoreChart(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the new gateway to be the only one", time.Minute, onlyOneGateway(t))
}

func doSomeOfEverything(t *testing.T) {
	t.Helper()
	copies, rejects := behaving(t, "copy"), behaving(t, "input-at-fault")
	var done []string
	for range goodJobs {
		id := send(t, copies)
		untilStatus(t, id, "Completed")
		done = append(done, id)
	}
	for range badJobs {
		untilStatus(t, send(t, rejects), "Error")
	}
	for range refusedUploads {
		if status, _ := (form{file: "part.exe", content: []byte("MZ")}).post(t); status != http.StatusUnsupportedMediaType {
			t.Fatalf("an upload with a wrong extension answered %d", status)
		}
	}
	for range goodDownloads {
		if status, _, _ := raw(t, get(t, "/api/v1/download/"+done[0])); status != http.StatusOK {
			t.Fatalf("the download answered %d", status)
		}
	}
	for range downloadsOfNothing {
		if status, _, _ := raw(t, get(t, "/api/v1/download/nosuchjob")); status != http.StatusNotFound {
			t.Fatalf("a download of nothing answered %d", status)
		}
	}
	if err := kube.Delete(t.Context(), jobNamed(t, done[1])); err != nil {
		t.Fatal(err)
	}
}

// contractQueries asks each example query of the contract as it stands there.
func contractQueries(t *testing.T, p prometheusServer, now time.Time, moved func(string) float64) {
	perWindow := (5 * time.Minute).Seconds()
	mean := func(family string) float64 { return moved(family+"_sum") / moved(family+"_count") }
	refused := moved(`uploads_total{status="failed_validation"}`) // behaving sends some without a file, too
	anything := math.Inf(1)
	t.Log("| query | sample | returned | done |")
	for _, c := range []struct {
		query  string
		series model.Metric // labels that the looked-at sample must have
		scale  float64      // makes a count of a rate
		want   float64      // anything: any number that is not negative
	}{
		{`rate(http_requests_total[5m])`,
			model.Metric{"endpoint": "/api/v1/upload", "status": "201"}, perWindow, uploadsThatMadeAJob},
		{`sum(rate(http_requests_total{status=~"2..|3.."}[5m])) / sum(rate(http_requests_total[5m]))`, nil, 1, 1},
		{`histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m]))`,
			model.Metric{"endpoint": "/api/v1/upload", "method": "POST"}, 1, anything},
		{`rate(processing_duration_seconds_sum[5m]) / rate(processing_duration_seconds_count[5m])`,
			nil, 1, mean("processing_duration_seconds")},
		{`sum(rate(uploads_total{status="success"}[5m])) / sum(rate(uploads_total[5m]))`,
			nil, 1, float64(uploadsThatMadeAJob) / (uploadsThatMadeAJob + refused)},
		{`sum by (reason) (rate(upload_validation_failures_total[5m]))`,
			model.Metric{"reason": "invalid_extension"}, perWindow, refusedUploads},
		{`rate(processing_jobs_total{status="completed"}[1m]) * 60`, nil, 1, anything},
		{`avg_over_time(processing_jobs_pending[5m])`, nil, 1, anything},
		{`sum(rate(processing_jobs_total{status=~"error|timeout"}[5m])) / sum(rate(processing_jobs_total[5m]))`,
			nil, 1, float64(badJobs) / (goodJobs + badJobs)},
		{`rate(cleanup_bytes_freed_total[1h]) / rate(cleanup_runs_total[1h])`,
			nil, 1, p.rise(t, "cleanup_bytes_freed_total", now) / p.rise(t, "cleanup_runs_total", now)},
		{`increase(cleanup_files_deleted_total[1h])`, nil, 1, p.rise(t, "cleanup_files_deleted_total", now)},
		{`sum by (status) (increase(uploads_total[5m]))`, model.Metric{"status": "failed_validation"}, 1, refused},
		// And the other families, so that each has been seen with the value of what was done.
		{`sum(increase(downloads_total{status="failed_not_found"}[5m]))`, nil, 1, downloadsOfNothing},
		{`sum(increase(upload_file_size_bytes_sum[5m]))`, nil, 1, moved("upload_file_size_bytes_sum")},
		{`sum(increase(processing_input_size_bytes_sum[5m]))`, nil, 1, moved("processing_input_size_bytes_sum")},
		{`sum(increase(processing_output_size_bytes_sum[5m]))`, nil, 1, moved("processing_output_size_bytes_sum")},
		{`sum(increase(bricklayers_jobs_finished_total{reason="` + v1alpha1.ReasonInputRejected + `"}[5m]))`, nil, 1, badJobs},
		{`sum(processing_jobs_active)`, nil, 1, anything},
		{`sum(cleanup_errors_total)`, nil, 1, 0},
		{`sum(system_memory_usage_bytes) > 1e6`, nil, 1, anything},
		{`sum(system_disk_usage_bytes) > 0`, nil, 1, anything},
		{`count(app_info{name="bricklayers"})`, nil, 1, 3},
	} {
		got, found := pick(p.ask(t, c.query, now), c.series)
		got *= c.scale
		t.Logf("| `%s` | %s | %.6g | %s |", strings.ReplaceAll(c.query, "|", `\|`), c.series, got, wanted(c.want))
		switch {
		case !found:
			t.Errorf("%s has no sample with %v", c.query, c.series)
		case math.IsInf(c.want, 1):
			if math.IsNaN(got) || got < 0 {
				t.Errorf("%s is %v", c.query, got)
			}
		case !(math.Abs(got-c.want) <= tolerance*c.want):
			t.Errorf("%s is %v, want %v", c.query, got, c.want)
		}
	}
}

func wanted(value float64) string {
	if math.IsInf(value, 1) {
		return "0 or more"
	}
	return fmt.Sprintf("%.6g", value)
}

// pick returns the value of the sample that has some labels. Of several it takes the largest: a standby has samples,
// too, which are zero or no number.
func pick(vector model.Vector, labels model.Metric) (value float64, found bool) {
	value = math.NaN()
	for _, sample := range vector {
		fits := true
		for name, want := range labels {
			fits = fits && sample.Metric[name] == want
		}
		if !fits {
			continue
		}
		found = true
		if v := float64(sample.Value); math.IsNaN(value) || v > value {
			value = v
		}
	}
	return value, found
}

// dashboardQueries asks the query of each panel; all must return numbers.
func dashboardQueries(t *testing.T, p prometheusServer, now time.Time) {
	all, err := dashboards.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		queries, zeros := 0, 0
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				queries++
				value, found := pick(p.ask(t, target.Resolve("5m", "5m"), now), nil)
				if !found || math.IsNaN(value) {
					t.Errorf("%s: panel %q shows nothing (%v, %v): %s", d.File, panel.Title, found, value, target.Expr)
				}
				if value == 0 {
					zeros++
					t.Logf("%s: panel %q shows zero: %s", d.File, panel.Title, target.Expr)
				}
			}
		}
		t.Logf("%s: %d queries, %d of them zero", d.File, queries, zeros)
	}
}

// healthyRules looks whether every rule was evaluated and nothing is on fire.
func healthyRules(t *testing.T, p prometheusServer) {
	result, err := p.Rules(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, group := range result.Groups {
		for _, rule := range group.Rules {
			count++
			switch r := rule.(type) {
			case promv1.AlertingRule:
				if r.Health != promv1.RuleHealthGood || r.State == string(promv1.AlertStateFiring) {
					t.Errorf("alert %s is %s and %s: %s", r.Name, r.Health, r.State, r.LastError)
				}
			case promv1.RecordingRule:
				if r.Health != promv1.RuleHealthGood {
					t.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
				}
			}
		}
	}
	if count == 0 {
		t.Error("Prometheus has no rules")
	}
	t.Logf("%d rules are healthy, none fires", count)
}
