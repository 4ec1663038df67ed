package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	failed := exec.Command("false").Run()
	const offline = `govulncheck: fetching vulnerabilities: Get "https://vuln.go.dev/index/modules.json.gz": dial tcp: lookup ` +
		"vuln.go.dev on 10.0.0.1:53: no such host\n"
	for _, c := range []struct {
		name, output string
		err          error
		passes       bool
		says         string
	}{
		{"nothing found", "No vulnerabilities found.\n", nil, true, "No vulnerabilities"},
		{"found", "Vulnerability #1: GO-2030-0001\n", failed, false, "GO-2030-0001"},
		{"no network", offline, failed, true, "NOT CHECKED"},
		{"the database is broken", `fetching vulnerabilities: Get "https://vuln.go.dev/index": HTTP 500`, failed, false, "500"},
		{"the tool is missing", "go: no such tool", failed, false, "no such tool"},
		{"a program that only mentions it", "dial tcp: vuln.go.dev", failed, false, ""},
	} {
		note, err := judge(c.output, c.err)
		if (err == nil) != c.passes || !strings.Contains(note, c.says) {
			t.Errorf("%s: %q, %v", c.name, note, err)
		}
	}
}
