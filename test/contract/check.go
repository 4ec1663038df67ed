package contract

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"bricklayers.dev/bricklayers/internal/gateway"
)

// foreign are the prefixes of the families that libraries bring along.
var foreign = []string{
	"go_", "process_", "controller_runtime_", "workqueue_", "rest_client_", "leader_election_", "certwatcher_",
	"promhttp_",
}

// Check holds a scrape in the text format against the contract and returns what is wrong. leading tells whether the
// process is the leader of its replicas.
func Check(process Process, leading bool, scrape []byte) ([]string, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	found, err := parser.TextToMetricFamilies(bytes.NewReader(scrape))
	if err != nil {
		return nil, fmt.Errorf("the scrape is not in the text format: %w", err)
	}
	c := &checker{process: process}
	known := map[string]bool{}
	for _, want := range slices.Concat(Families, Extra) {
		known[want.Name] = true
		owed := slices.Contains(want.By, process) && (leading || !want.LeaderOnly)
		got := found[want.Name]
		switch {
		case owed && got == nil:
			c.fault("%s is missing", want.Name)
		case !owed && got != nil:
			c.fault("%s must not be exposed here", want.Name)
		case got != nil:
			c.family(want, got)
		}
	}
	for name := range found {
		if !known[name] && !slices.ContainsFunc(foreign, func(p string) bool { return strings.HasPrefix(name, p) }) {
			c.fault("%s is not in the contract", name)
		}
	}
	slices.Sort(c.faults)
	return c.faults, nil
}

type checker struct {
	process Process
	faults  []string
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// scrapedType is how the exposition formats write a type of the contract: an info metric is a gauge that is always 1.
func scrapedType(contractType string) string {
	if contractType == "info" {
		return "gauge"
	}
	return contractType
}

func (c *checker) family(want Family, got *dto.MetricFamily) {
	if t := strings.ToLower(got.GetType().String()); t != scrapedType(want.Type) {
		c.fault("%s is a %s, want a %s", want.Name, t, scrapedType(want.Type))
	}
	if got.GetHelp() != want.Description {
		c.fault("%s is described as %q, want %q", want.Name, got.GetHelp(), want.Description)
	}
	seen := map[string]bool{}
	for _, metric := range got.Metric {
		c.labels(want, metric)
		seen[key(metric)] = true
		if want.Type == "histogram" {
			c.buckets(want, metric)
		}
		if want.Type == "info" && metric.GetGauge().GetValue() != 1 {
			c.fault("%s is %v, want 1", want.Name, metric.GetGauge().GetValue())
		}
	}
	for _, label := range want.Labels {
		for _, value := range label.Values {
			if len(want.Labels) == 1 && !seen[value] {
				c.fault("%s{%s=%q} is missing", want.Name, label.Name, value)
			}
		}
	}
	switch want.Name {
	case "http_requests_total":
		c.routes(got)
	case "upload_validation_failures_total":
		for _, reason := range ValidationReasons {
			if !seen[reason] {
				c.fault("%s{reason=%q} is missing", want.Name, reason)
			}
		}
	case "app_info":
		if !slices.Contains(strings.Split(key(got.Metric[0]), ","), string(c.process)) {
			c.fault("app_info does not say %q", c.process)
		}
	}
}

func key(metric *dto.Metric) string {
	var values []string
	for _, label := range metric.Label {
		values = append(values, label.GetValue())
	}
	return strings.Join(values, ",")
}

func (c *checker) labels(want Family, metric *dto.Metric) {
	if len(metric.Label) != len(want.Labels) {
		c.fault("%s has a series with the labels %v, want those of the contract", want.Name, metric.Label)
		return
	}
	for _, label := range want.Labels {
		at := slices.IndexFunc(metric.Label, func(l *dto.LabelPair) bool { return l.GetName() == label.Name })
		if at < 0 {
			c.fault("%s has a series without label %s: %v", want.Name, label.Name, metric.Label)
			continue
		}
		value := metric.Label[at].GetValue()
		if len(label.Values) > 0 && !slices.Contains(label.Values, value) ||
			label.Pattern != "" && !regexp.MustCompile("^(?:"+label.Pattern+")$").MatchString(value) {
			c.fault("%s{%s=%q} has a value that the contract does not know", want.Name, label.Name, value)
		}
	}
}

func (c *checker) buckets(want Family, metric *dto.Metric) {
	var bounds []float64
	for _, bucket := range metric.GetHistogram().Bucket {
		bounds = append(bounds, bucket.GetUpperBound())
	}
	if expected := append(slices.Clone(want.Buckets), math.Inf(1)); !slices.Equal(bounds, expected) {
		c.fault("%s has the buckets %v, want %v", want.Name, bounds, expected)
	}
}

// routes checks that the endpoints are the gateway's and that their ratios have data from the start.
func (c *checker) routes(got *dto.MetricFamily) {
	counted := map[string]bool{} // "GET /api/v1/jobs 200"
	known := gateway.Routes()
	for _, metric := range got.Metric {
		labels := map[string]string{}
		for _, label := range metric.Label {
			labels[label.GetName()] = label.GetValue()
		}
		method, endpoint := labels["method"], labels["endpoint"]
		counted[method+" "+endpoint+" "+labels["status"]] = true
		if endpoint != "other" && !slices.ContainsFunc(known, func(r gateway.Route) bool {
			return r.Endpoint == endpoint && (r.Method == method || r.Method == http.MethodGet && method == http.MethodHead)
		}) {
			c.fault("http_requests_total has the route %q, which the gateway does not serve", method+" "+endpoint)
		}
	}
	for _, route := range known {
		for _, status := range route.Statuses {
			if series := fmt.Sprintf("%s %s %d", route.Method, route.Endpoint, status); !counted[series] {
				c.fault("http_requests_total for %q is missing", series)
			}
		}
	}
}
