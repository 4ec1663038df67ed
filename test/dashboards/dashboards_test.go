package dashboards_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bricklayers.dev/bricklayers/test/dashboards"
	"bricklayers.dev/bricklayers/test/promtool"
)

func load(t *testing.T) []dashboards.Dashboard {
	t.Helper()
	all, err := dashboards.Load("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("there are no dashboards")
	}
	return all
}

// recommended are the sections and panels of the metrics contract, with the panel types that Grafana has for the
// contract's words: counter stat, graph timeseries, histogram bargauge.
var recommended = map[string]map[string]string{
	"Overview": {
		"Total requests": "stat", "Success rate": "gauge", "Active jobs": "gauge", "Queue depth": "timeseries",
	},
	"Performance": {
		"Request duration": "heatmap", "Processing duration": "heatmap", "95th percentile latency": "timeseries",
	},
	"Uploads": {
		"Upload rate": "timeseries", "Upload success rate": "gauge", "File size distribution": "bargauge",
		"Validation failures by reason": "piechart",
	},
	"Processing": {
		"Jobs completed and failed": "timeseries", "Processing duration trends": "timeseries",
		"Active and pending jobs": "timeseries", "Input and output size trends": "timeseries",
	},
	"Downloads":     {"Download rate": "timeseries", "Download failures by reason": "piechart"},
	"System health": {"Cleanup": "timeseries", "Memory usage": "timeseries", "Disk usage": "timeseries"},
}

func TestRecommendedPanels(t *testing.T) {
	for _, d := range load(t) {
		if d.File != "bricklayers.json" {
			continue
		}
		section, found := "", map[string]string{}
		for _, p := range d.Panels {
			if p.Type == "row" {
				section = p.Title
			}
			found[section+"/"+p.Title] = p.Type
		}
		for section, panels := range recommended {
			for title, kind := range panels {
				if got := found[section+"/"+title]; got != kind {
					t.Errorf("section %s has panel %q as %q, want %q", section, title, got, kind)
				}
			}
		}
	}
}

func TestPanelsAreComplete(t *testing.T) {
	for _, d := range load(t) {
		if d.Title == "" || d.Description == "" || d.UID == "" {
			t.Errorf("%s lacks a title, description or uid", d.File)
		}
		var variables []string
		for _, v := range d.Templating.List {
			variables = append(variables, v.Name)
		}
		if got := strings.Join(variables, " "); got != "datasource namespace" {
			t.Errorf("%s has the variables %q", d.File, got)
		}
		titles := map[string]bool{}
		for _, p := range d.Panels {
			if p.Type == "row" {
				if len(p.Panels) > 0 {
					t.Errorf("%s: row %s is folded and hides its panels", d.File, p.Title)
				}
				continue
			}
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %q lacks a title, description, unit or query", d.File, p.Title)
			}
			if titles[p.Title] {
				t.Errorf("%s has two panels %q", d.File, p.Title)
			}
			titles[p.Title] = true
			if p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: panel %q has the data source %q", d.File, p.Title, p.Datasource.UID)
			}
			for _, target := range p.Targets {
				if target.LegendFormat == "" || !strings.Contains(target.Expr, `namespace=~"$namespace"`) {
					t.Errorf("%s: panel %q has a query without legend or namespace: %s", d.File, p.Title, target.Expr)
				}
			}
		}
	}
}

// TestExpressionsParse has promtool read every expression, as a recording rule.
func TestExpressionsParse(t *testing.T) {
	tool := promtool.Require(t, "promtool")
	var rules []map[string]string
	for _, d := range load(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				rules = append(rules, map[string]string{
					"record": fmt.Sprintf("panel:%d", len(rules)), "expr": target.Resolve("5m", "1h"),
				})
			}
		}
	}
	content, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
	t.Logf("%d expressions", len(rules))
}
