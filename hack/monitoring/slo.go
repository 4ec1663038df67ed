package main

import (
	"strconv"
	"strings"
)

// ours selects the product's series whoever scrapes them: the contract's scrape job is bricklayers-web, and the
// Prometheus Operator names jobs after the Services, which have the chart's name in theirs. Names such as
// http_requests_total are too common to be taken without it.
const ours = `job=~".*bricklayers.*"`

// objective is a service level objective over 30 days.
type objective struct {
	Name      string  // in names of recording rules
	Alert     string  // name of the alert
	Objective float64 // share of good events
	What      string  // for people: what fails
	// Errors and Total are rates of bad and of all events; WINDOW stands for the window.
	Errors, Total string
}

var objectives = []objective{
	{
		Name: "upload", Alert: "BricklayersUploadErrorBudgetBurn", Objective: 0.999, What: "uploads answered with an error of the gateway",
		Errors: `rate(http_requests_total{` + ours + `,endpoint="/api/v1/upload",status=~"5.."}[WINDOW])`,
		Total:  `rate(http_requests_total{` + ours + `,endpoint="/api/v1/upload"}[WINDOW])`,
	},
	{
		Name: "download", Alert: "BricklayersDownloadErrorBudgetBurn", Objective: 0.999, What: "downloads answered with an error of the gateway, or whose file is lost (410)",
		Errors: `rate(http_requests_total{` + ours + `,endpoint="/api/v1/download/{job_id}",status=~"5..|410"}[WINDOW])`,
		Total:  `rate(http_requests_total{` + ours + `,endpoint="/api/v1/download/{job_id}"}[WINDOW])`,
	},
	{
		Name: "job", Alert: "BricklayersJobErrorBudgetBurn", Objective: 0.99, What: "jobs failed by no fault of their input",
		Errors: `rate(bricklayers_jobs_finished_total{` + ours + `,reason!~"Completed|InputRejected|InvalidParameters|JobDeleted"}[WINDOW])`,
		Total:  `rate(bricklayers_jobs_finished_total{` + ours + `,reason!~"InputRejected|InvalidParameters|JobDeleted"}[WINDOW])`,
	},
	{
		Name: "queue", Alert: "BricklayersQueueErrorBudgetBurn", Objective: 0.99, What: "jobs admitted later than 5 minutes after they came",
		// Every bucket but those up to 300 s holds the same observations again, so all minus those is what was late.
		Errors: `(rate(bricklayers_queue_wait_seconds_count{` + ours + `}[WINDOW]) - ignoring (le) rate(bricklayers_queue_wait_seconds_bucket{` + ours + `,le=~"300(\\.0)?"}[WINDOW]))`,
		Total:  `rate(bricklayers_queue_wait_seconds_count{` + ours + `}[WINDOW])`,
	},
}

// burn is one pair of windows of a multi-window, multi-burn-rate alert: Google's SRE workbook, chapter 5, table 5-8,
// with the fourth pair that kubernetes-mixin adds.
type burn struct {
	Factor      float64 // how many times faster than allowed the error budget is spent
	Long, Short string
	For         string
	Severity    string
}

var burns = []burn{
	{Factor: 14.4, Long: "1h", Short: "5m", For: "2m", Severity: "critical"},
	{Factor: 6, Long: "6h", Short: "30m", For: "15m", Severity: "critical"},
	{Factor: 3, Long: "1d", Short: "2h", For: "1h", Severity: "warning"},
	{Factor: 1, Long: "3d", Short: "6h", For: "3h", Severity: "warning"},
}

var windows = []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"}

// minimumErrors is how many errors the long window must hold: one failure in a quiet night is no reason to wake anybody.
const minimumErrors = 2

// Ratio is the name of the recorded share of errors in a window.
func (o objective) Ratio(window string) string {
	return "namespace:bricklayers_" + o.Name + "_errors:ratio_rate" + window
}

// Count is the name of the recorded number of errors in a window.
func (o objective) Count(window string) string {
	return "namespace:bricklayers_" + o.Name + "_errors:increase" + window
}

// RatioExpr is the share of errors in a window.
func (o objective) RatioExpr(window string) string {
	return "sum by (namespace) (" + strings.ReplaceAll(o.Errors, "WINDOW", window) + ")\n/\n" +
		"sum by (namespace) (" + strings.ReplaceAll(o.Total, "WINDOW", window) + ")"
}

// CountExpr is the number of errors in a window.
func (o objective) CountExpr(window string) string {
	return "sum by (namespace) (" + strings.ReplaceAll(strings.ReplaceAll(o.Errors, "rate(", "increase("), "WINDOW", window) + ")"
}

// Expr is the alert's: both windows burn, the short one so that the alert ends soon after the errors do.
func (o objective) Expr(b burn) string {
	limit := strconv.FormatFloat(b.Factor, 'g', -1, 64) + " * " + strconv.FormatFloat(round(1-o.Objective), 'g', -1, 64)
	return o.Ratio(b.Long) + " > " + limit + "\nand\n" + o.Ratio(b.Short) + " > " + limit +
		"\nand\n" + o.Count(b.Long) + " > " + strconv.Itoa(minimumErrors)
}

// Percent is the objective for people.
func (o objective) Percent() string { return strconv.FormatFloat(o.Objective*100, 'g', 4, 64) + " %" }

// round undoes what 1 - 0.999 does to the last digits.
func round(x float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
	return rounded
}
