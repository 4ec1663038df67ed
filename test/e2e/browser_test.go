package e2e_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/node"
)

// browserResults is Playwright's report, as far as it is needed here.
type browserResults struct {
	Suites []struct {
		File  string `json:"file"`
		Specs []struct {
			Title string `json:"title"`
			OK    bool   `json:"ok"`
			Tests []struct {
				Status string `json:"status"`
			} `json:"tests"`
		} `json:"specs"`
	} `json:"suites"`
}

// TestPage runs test/browser, in Debian's Chromium, against the gateway of this cluster. Screenshots are left in
// bin/browser.
func TestPage(t *testing.T) {
	require(t)
	for _, name := range []string{"npm", "chromium"} {
		if _, err := exec.LookPath(name); err != nil {
			node.Missing(t, "needs %s: apt-get install nodejs npm chromium", name)
		}
	}
	artefacts, err := filepath.Abs("bin/browser")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(artefacts); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("test/browser/node_modules"); errors.Is(err, fs.ErrNotExist) {
		install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
		install.Dir = "test/browser"
		install.Env = append(os.Environ(), "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1")
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("install the browser tests: %v\n%s", err, out)
		}
	}
	run := exec.CommandContext(t.Context(), "npx", "playwright", "test")
	run.Dir = "test/browser"
	oneAtATime := func(s *v1alpha1.ProcessorSpec) { s.Limits.MaxActive = ptr.To[int32](1) }
	run.Env = append(os.Environ(), "GATEWAY_URL="+gatewayURL, "ARTEFACTS="+artefacts,
		"ENDLESS_PROCESSOR="+behaving(t, "hang"), "NARROW_PROCESSOR="+behaving(t, "hang", oneAtATime))
	folder := t.TempDir()
	for variable, megabytes := range map[string]string{
		"PRINT": "2", "PRINT_10MB": "10", "PRINT_50MB": "50", "FILE_500MB": "500",
	} {
		file := filepath.Join(folder, "part-"+megabytes+".gcode")
		generate := exec.CommandContext(t.Context(), "go", "run", "./test/prints/generate", "-mb", megabytes, "-o", file)
		if out, err := generate.CombinedOutput(); err != nil {
			t.Fatalf("generate a print: %v\n%s", err, out)
		}
		run.Env = append(run.Env, variable+"="+file)
	}
	out, err := run.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "figure: ") {
			t.Log(strings.TrimSpace(line))
		}
	}
	reportBrowser(t, filepath.Join(artefacts, "results.json"))
	if err != nil {
		t.Errorf("the browser tests ended with %v:\n%s", err, out)
	}
}

// reportBrowser makes a subtest of each of the browser's.
func reportBrowser(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return
	}
	var results browserResults
	if err := json.Unmarshal(content, &results); err != nil {
		t.Errorf("read %s: %v", file, err)
	}
	for _, suite := range results.Suites {
		for _, spec := range suite.Specs {
			t.Run(strings.TrimSuffix(suite.File, ".spec.ts")+"/"+spec.Title, func(t *testing.T) {
				for _, test := range spec.Tests {
					if test.Status == "skipped" { // which Playwright takes to be fine
						node.Missing(t, "skipped itself, or one before it failed")
					}
				}
				if !spec.OK {
					t.Error("failed; what it said stands below the whole run")
				}
			})
		}
	}
}
