package alerts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// slo says how to make an objective's good and bad events.
type slo struct {
	budget float64 // share of events that may be bad
	// series maps input series to how many events of each kind they count per step.
	series func(good, bad float64) map[string]float64
}

func httpSLO(endpoint, badStatus string) slo {
	series := func(job, endpoint, status string) string {
		return fmt.Sprintf(`http_requests_total{job=%q,endpoint=%q,status=%q}`, job, endpoint, status)
	}
	return slo{budget: 0.001, series: func(good, bad float64) map[string]float64 {
		return map[string]float64{
			series("bricklayers-web", endpoint, "404"):     good,
			series("bricklayers-web", endpoint, badStatus): bad,
			// Not events of this objective:
			series("bricklayers-web", "/readyz", "200"): 7777,
			series("bricklayers-web", "/readyz", "503"): 7777,
			series("shop", endpoint, "500"):             7777,
			series("shop", endpoint, "200"):             7777,
		}
	}}
}

var slos = map[string]slo{
	"bricklayers.slo.upload":   httpSLO("/api/v1/upload", "500"),
	"bricklayers.slo.download": httpSLO("/api/v1/download/{job_id}", "410"),
	"bricklayers.slo.job": {budget: 0.01, series: func(good, bad float64) map[string]float64 {
		return map[string]float64{
			`bricklayers_jobs_finished_total{job="bricklayers-web",reason="Completed"}`:         good,
			`bricklayers_jobs_finished_total{job="bricklayers-web",reason="StoreFailed"}`:       bad,
			`bricklayers_jobs_finished_total{job="bricklayers-web",reason="InputRejected"}`:     7777,
			`bricklayers_jobs_finished_total{job="bricklayers-web",reason="InvalidParameters"}`: 7777,
			`bricklayers_jobs_finished_total{job="shop",reason="StoreFailed"}`:                  7777,
		}
	}},
	"bricklayers.slo.queue": {budget: 0.01, series: func(good, bad float64) map[string]float64 {
		return map[string]float64{
			`bricklayers_queue_wait_seconds_bucket{job="bricklayers-web",le="60"}`:   good / 2,
			`bricklayers_queue_wait_seconds_bucket{job="bricklayers-web",le="300"}`:  good,
			`bricklayers_queue_wait_seconds_bucket{job="bricklayers-web",le="900"}`:  good + bad,
			`bricklayers_queue_wait_seconds_bucket{job="bricklayers-web",le="+Inf"}`: good + bad,
			`bricklayers_queue_wait_seconds_count{job="bricklayers-web"}`:            good + bad,
			`bricklayers_queue_wait_seconds_bucket{job="shop",le="300"}`:             0,
			`bricklayers_queue_wait_seconds_count{job="shop"}`:                       7777,
		}
	}},
}

// burn is a rule's pair of windows. Every long window is 60 steps of the tests and every short one 5.
type burn struct {
	long   string
	factor float64
	step   time.Duration
	// forSteps is the rule's "for" in steps.
	forSteps float64
}

var burns = []burn{
	{"1h", 14.4, time.Minute, 2},
	{"6h", 6, 6 * time.Minute, 2.5},
	{"1d", 3, 24 * time.Minute, 2.5},
	{"3d", 1, 72 * time.Minute, 2.5},
}

// phase is a number of steps with a constant number of events in each.
type phase struct {
	steps     int
	good, bad float64
}

type promtoolTest struct {
	Name     string              `yaml:"name"`
	Interval string              `yaml:"interval"`
	Series   []map[string]string `yaml:"input_series"`
	Queries  []query             `yaml:"promql_expr_test"`
}

type query struct {
	Expr    string           `yaml:"expr"`
	Time    string           `yaml:"eval_time"`
	Samples []map[string]any `yaml:"exp_samples"`
}

// scenario makes a test of one rule: whether it fires (true) or not at given steps.
func (b burn) scenario(name, alert string, s slo, phases []phase, fires map[int]bool) promtoolTest {
	test := promtoolTest{Name: name, Interval: seconds(b.step)}
	values, sums := map[string][]string{}, map[string]float64{}
	for series := range s.series(0, 0) {
		values[series] = []string{"0"}
	}
	for _, p := range phases {
		for series, perStep := range s.series(p.good, p.bad) {
			// "a+bxn" has n+1 samples.
			values[series] = append(values[series], fmt.Sprintf("%g+%gx%d", sums[series]+perStep, perStep, p.steps-1))
			sums[series] += perStep * float64(p.steps)
		}
	}
	for series, v := range values {
		test.Series = append(test.Series, map[string]string{"series": series, "values": strings.Join(v, " ")})
	}
	for step, firing := range fires {
		q := query{
			Expr: fmt.Sprintf(`count by (long) (ALERTS{alertname=%q,long=%q,alertstate="firing"})`, alert, b.long),
			Time: seconds(time.Duration(step) * b.step),
		}
		if firing {
			q.Samples = []map[string]any{{"labels": fmt.Sprintf(`{long=%q}`, b.long), "value": 1}}
		}
		test.Queries = append(test.Queries, q)
	}
	return test
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }

// tests makes those of one rule.
//
// Errors at 1.4 times the rule's rate begin at step 60: the long window is over it from step 60 + 60/1.4 = 103, and the
// rule fires after its "for". At step 110 they fall to 0.75 times the rate, of four times the events: the short window is
// under it from step 112.
func (b burn) tests(t *testing.T, alert string, s slo) testFile {
	t.Helper()
	limit := b.factor * s.budget
	at := func(times float64) (good, bad float64) { return 1e6 * (1 - times*limit), 1e6 * times * limit }
	burningGood, burningBad := at(1.4)
	calmGood, calmBad := at(0.75)
	first := 103 + int(b.forSteps+0.5) // the first step at or after "for"
	burning := b.scenario("burning", alert, s,
		[]phase{{60, 1e6, 0}, {50, burningGood, burningBad}, {20, 4 * calmGood, 4 * calmBad}},
		map[int]bool{first - 1: false, first: true, 111: true, 112: false})
	tests := []promtoolTest{burning}
	// One failed step in a quiet time: two errors are let pass, three are not.
	for errors, fires := range map[float64]bool{2: false, 3: true} {
		tests = append(tests, b.scenario(fmt.Sprintf("%g errors", errors), alert, s,
			[]phase{{60, 0, 0}, {1, 0, errors}, {10, 0, 0}}, map[int]bool{64: fires}))
	}
	tests = append(tests, b.scenario("one error, and three that are past", alert, s,
		[]phase{{60, 0, 0}, {1, 0, 3}, {64, 0, 0}, {1, 0, 1}, {10, 0, 0}}, map[int]bool{129: false}))
	file := testFile{RuleFiles: []string{"rules.yaml"}, EvaluationInterval: seconds(b.step)}
	for _, test := range tests {
		var node yaml.Node
		if err := node.Encode(test); err != nil {
			t.Fatal(err)
		}
		file.Tests = append(file.Tests, node)
	}
	return file
}

// rulesFor are those of a group that one pair of windows needs.
func (b burn) rulesFor(g group) []rule {
	var needed []rule
	var expr string
	for _, r := range g.Rules {
		if r.Labels["long"] == b.long {
			expr = r.Expr
		}
	}
	for _, r := range g.Rules {
		if r.Labels["long"] == b.long || r.Record != "" && strings.Contains(expr, r.Record+" ") {
			needed = append(needed, r)
		}
	}
	return needed
}

func TestErrorBudgetBurns(t *testing.T) {
	for _, g := range loadRules(t).Groups {
		if !isSLO(g) {
			continue
		}
		alert := g.Rules[len(g.Rules)-1].Alert
		for _, b := range burns {
			t.Run(alert+" "+b.long, func(t *testing.T) {
				if out, passed := runTests(t, b.rulesFor(g), b.tests(t, alert, slos[g.Name])); !passed {
					t.Error(out)
				}
			})
		}
	}
}
