package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"bricklayers.dev/bricklayers/internal/gateway"
	"bricklayers.dev/bricklayers/test/contract"
)

// writeTables writes each table between its markers, <!-- begin NAME --> and <!-- end NAME -->.
func writeTables(rules []byte) error {
	alerts, err := alertTable(rules)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(docsFile)
	if err != nil {
		return err
	}
	for name, table := range map[string]string{
		"contract": familyTable(contract.Families), "extra": familyTable(contract.Extra), "alerts": alerts,
		"routes": routeTable(),
	} {
		if page, err = replaceBetween(page, name, table); err != nil {
			return err
		}
	}
	return os.WriteFile(docsFile, page, 0o644)
}

func replaceBetween(page []byte, name, table string) ([]byte, error) {
	begin, end := []byte("<!-- begin "+name+" -->\n"), []byte("<!-- end "+name+" -->")
	before, rest, found := bytes.Cut(page, begin)
	if !found {
		return nil, fmt.Errorf("%s has no line %q", docsFile, begin)
	}
	_, after, found := bytes.Cut(rest, end)
	if !found {
		return nil, fmt.Errorf("%s has no line %q", docsFile, end)
	}
	return slices.Concat(before, begin, []byte(table), end, after), nil
}

func familyTable(families []contract.Family) string {
	var out strings.Builder
	out.WriteString("| Metric | Type | Labels | Buckets | Description | Exposed by | Raised | Source |\n|---|---|---|---|---|---|---|---|\n")
	for _, f := range families {
		var labels, by []string
		for _, label := range f.Labels {
			text := "`" + label.Name + "`"
			if len(label.Values) > 0 {
				text += ": " + strings.Join(label.Values, ", ")
			}
			labels = append(labels, text)
		}
		for _, process := range f.By {
			text := map[contract.Process]string{contract.Gateway: "gateway", contract.Manager: "manager"}[process]
			if f.LeaderOnly {
				text += " (leader)"
			}
			by = append(by, text)
		}
		var buckets []string
		for _, bound := range f.Buckets {
			buckets = append(buckets, strconv.FormatFloat(bound, 'f', -1, 64))
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s | %s | %s | `%s` |\n", f.Name, f.Type, strings.Join(labels, "; "),
			strings.Join(buckets, ", "), f.Description, strings.Join(by, ", "), f.Raised, f.Source)
	}
	return out.String()
}

// routeTable has a row for each address that requests are counted under.
func routeTable() string {
	var out strings.Builder
	out.WriteString("| `method` | `endpoint` | `status` from the start |\n|---|---|---|\n")
	for _, route := range gateway.Routes() {
		fmt.Fprintf(&out, "| %s | `%s` | %s |\n", route.Method, route.Endpoint,
			strings.Trim(strings.ReplaceAll(fmt.Sprint(route.Statuses), " ", ", "), "[]"))
	}
	return out.String()
}

// alertTable has a row for each alert; the rules of one that differ in their windows share it.
func alertTable(rules []byte) (string, error) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string            `yaml:"alert"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(rules, &file); err != nil {
		return "", fmt.Errorf("%s: %w", rulesFile, err)
	}
	type row struct {
		summary  string
		severity []string
		after    []string
	}
	rows, order := map[string]*row{}, []string{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" {
				continue
			}
			r := rows[rule.Alert]
			if r == nil {
				r = &row{summary: rule.Annotations["summary"]}
				rows[rule.Alert], order = r, append(order, rule.Alert)
			}
			if !slices.Contains(r.severity, rule.Labels["severity"]) {
				r.severity = append(r.severity, rule.Labels["severity"])
			}
			if rule.For == "" {
				rule.For = "at once"
			}
			r.after = append(r.after, rule.For)
		}
	}
	var out strings.Builder
	out.WriteString("| Alert | Severity | Fires after | Says |\n|---|---|---|---|\n")
	for _, name := range order {
		r := rows[name]
		fmt.Fprintf(&out, "| [%s](operations/%s.md) | %s | %s | %s |\n", name, name, strings.Join(r.severity, ", "),
			strings.Join(r.after, ", "), r.summary)
	}
	return out.String(), nil
}
