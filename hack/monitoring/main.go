// Command monitoring generates what follows from the metrics contract and the service level objectives:
//
//	charts/bricklayers/files/alerts.yaml  alerts and recording rules, from rules.yaml.tmpl and slo.go
//	docs/monitoring.md                    the tables between its markers, from test/contract and the rules
//
// It runs in the repository's root.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"text/template"
)

const (
	rulesFile = "charts/bricklayers/files/alerts.yaml"
	docsFile  = "docs/monitoring.md"
	runbooks  = "https://bricklayers.dev/docs/operations/"
)

//go:embed rules.yaml.tmpl
var rulesTemplate string

func main() {
	if err := generate(); err != nil {
		fmt.Fprintf(os.Stderr, "monitoring: %v\n", err)
		os.Exit(1)
	}
}

func generate() error {
	rules, err := renderRules()
	if err != nil {
		return err
	}
	if err := os.WriteFile(rulesFile, rules, 0o644); err != nil {
		return err
	}
	return writeTables(rules)
}

func renderRules() ([]byte, error) {
	// Prometheus has its own templates in {{ }}.
	t, err := template.New("rules").Delims("[[", "]]").Funcs(template.FuncMap{
		"ours":       func() string { return ours },
		"runbook":    func(alert string) string { return runbooks + alert + ".md" },
		"objectives": func() []objective { return objectives },
		"windows":    func() []string { return windows },
		"burns":      func() []burn { return burns },
		"indent":     func(s string) string { return "      " + strings.ReplaceAll(s, "\n", "\n      ") },
	}).Parse(rulesTemplate)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, nil); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
