// Package alerts_test runs promtool's unit tests over the alerts that the chart ships, and shows that these tests notice
// when an alert is changed.
package alerts_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bricklayers.dev/bricklayers/test/promtool"
)

const (
	rulesPath = "../../charts/bricklayers/files/alerts.yaml"
	runbooks  = "../../docs/operations"
)

type ruleFile struct {
	Groups []group `yaml:"groups"`
}

type group struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

func loadRules(t *testing.T) ruleFile {
	t.Helper()
	var file ruleFile
	readYAML(t, rulesPath, &file)
	return file
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func writeYAML(t *testing.T, path string, value any) {
	t.Helper()
	content, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// testFile is a file of promtool's unit tests.
type testFile struct {
	RuleFiles          []string    `yaml:"rule_files"`
	EvaluationInterval string      `yaml:"evaluation_interval"`
	Tests              []yaml.Node `yaml:"tests"`
}

// runTests runs test files over rules and returns promtool's words and whether all passed.
func runTests(t *testing.T, rules []rule, tests ...testFile) (string, bool) {
	t.Helper()
	dir := t.TempDir()
	writeYAML(t, filepath.Join(dir, "rules.yaml"), ruleFile{Groups: []group{{Name: "tested", Rules: rules}}})
	args := []string{"test", "rules"}
	for i, test := range tests {
		path := filepath.Join(dir, fmt.Sprintf("test%d.yaml", i))
		writeYAML(t, path, test)
		args = append(args, path)
	}
	out, err := exec.CommandContext(t.Context(), promtool.Require(t, "promtool"), args...).CombinedOutput()
	return string(out), err == nil
}

// plainTests are the tests in testdata by the alert that they are about, which begins their name.
func plainTests(t *testing.T) map[string]testFile {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	byAlert := map[string]testFile{}
	for _, path := range paths {
		var file testFile
		readYAML(t, path, &file)
		for _, test := range file.Tests {
			var named struct {
				Name string `yaml:"name"`
			}
			if err := test.Decode(&named); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			alert, _, _ := strings.Cut(named.Name, " ")
			of := byAlert[alert]
			of.RuleFiles, of.EvaluationInterval = file.RuleFiles, file.EvaluationInterval
			of.Tests = append(of.Tests, test)
			byAlert[alert] = of
		}
	}
	return byAlert
}

func isSLO(g group) bool { return strings.HasPrefix(g.Name, "bricklayers.slo.") }

// TestAlertsFireAndStaySilent runs each alert's tests; every alert must have some.
func TestAlertsFireAndStaySilent(t *testing.T) {
	tests := plainTests(t)
	for _, g := range loadRules(t).Groups {
		if isSLO(g) {
			continue
		}
		for _, r := range g.Rules {
			t.Run(r.Alert, func(t *testing.T) {
				test, found := tests[r.Alert]
				if !found {
					t.Fatal("no test in testdata is about this alert")
				}
				if out, passed := runTests(t, g.Rules, test); !passed {
					t.Error(out)
				}
			})
		}
	}
}

// TestRulesAreValid lets promtool look at the file as it is shipped.
func TestRulesAreValid(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), promtool.Require(t, "promtool"), "check", "rules", "--lint-fatal", rulesPath).CombinedOutput()
	if err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
}

// TestEveryAlertHasARunbook also finds pages of alerts that are no more.
func TestEveryAlertHasARunbook(t *testing.T) {
	var alerts []string
	for _, g := range loadRules(t).Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			alerts = append(alerts, r.Alert+".md")
			if !strings.HasSuffix(r.Annotations["runbook_url"], "/docs/operations/"+r.Alert+".md") {
				t.Errorf("%s has the runbook_url %q", r.Alert, r.Annotations["runbook_url"])
			}
			if !slices.Contains([]string{"warning", "critical"}, r.Labels["severity"]) {
				t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
			}
		}
	}
	slices.Sort(alerts)
	alerts = slices.Compact(alerts)
	entries, err := os.ReadDir(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, entry := range entries {
		if entry.Name() == "README.md" || entry.Name() == "running.md" {
			continue
		}
		pages = append(pages, entry.Name())
		content, err := os.ReadFile(filepath.Join(runbooks, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range []string{"## What it means", "## Look", "## Mend", "## Afterwards"} {
			if !strings.Contains(string(content), section+"\n") {
				t.Errorf("%s has no section %q", entry.Name(), section)
			}
		}
	}
	if !slices.Equal(pages, alerts) {
		t.Errorf("there are the runbooks\n%v\nand the alerts\n%v", pages, alerts)
	}
}
