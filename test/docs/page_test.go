package docs

import (
	"os/exec"
	"strings"
	"testing"
)

func TestScript(t *testing.T) {
	const markdown = "# Title\n\n```sh\nX=it\\'s\nfalse || echo \"$X\"\n```\n\n```\noutput\n```\n\n" +
		"<!-- not run: no reason -->\n```sh\nexit 3\n```\n\n<!-- file: a.yaml -->\n```yaml\nit: 'is'\n```\n\n" +
		"```console\n$ cat \\\n  a.yaml\nit: 'is'\n$ sleep 100 &\n```\n"
	page, err := Parse(markdown)
	if err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(t.Context(), "bash", "-c", page.Script("x.md"))
	shell.Dir = t.TempDir()
	out, err := shell.CombinedOutput()
	const want = "== x.md:3\n$ X=it\\'s\nfalse || echo \"$X\"\nit's\n== x.md:13 is not run: no reason\n" +
		"== x.md:22\n$ cat \\\n  a.yaml\nsleep 100 &\nit: 'is'\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
	failing, err := Parse("```sh\nfalse\necho on\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "bash", "-c", failing.Script("x.md")).CombinedOutput(); err == nil ||
		strings.HasSuffix(string(out), "\non\n") {
		t.Errorf("a failing command did not end the page: %s", out)
	}
}

func TestParseRefuses(t *testing.T) {
	for markdown, want := range map[string]string{
		"```sh\nls\n":                                   "no end",
		"```console\nls\n```\n":                         "begins with $",
		"<!-- file: x -->\nwords\n":                     "no block follows",
		"<!-- not run: because -->\n```yaml\na: 1\n```": "never run",
	} {
		if _, err := Parse(markdown); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", markdown, err, want)
		}
	}
}
