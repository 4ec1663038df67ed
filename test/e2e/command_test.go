package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommand gives the command bricklayers as a plugin of kubectl, with nothing but a kubeconfig.
func TestCommand(t *testing.T) {
	require(t)
	bin, err := filepath.Abs("bin")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(plugins, "kubectl-bricklayers"), "./cmd/bricklayers")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	kubeconfig, err := filepath.Abs(cluster.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) (stdout, stderr string, code int) {
		c := exec.CommandContext(t.Context(), filepath.Join(bin, "kubectl"), append([]string{"bricklayers"}, args...)...)
		c.Dir = dir
		c.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "BRICKLAYERS_GATEWAY=", "XDG_CACHE_HOME="+dir,
			"PATH="+plugins+":"+os.Getenv("PATH"))
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		if err := c.Run(); err != nil && c.ProcessState == nil {
			t.Fatal(err)
		}
		return out.String(), errs.String(), c.ProcessState.ExitCode()
	}
	if out, errs, code := command("doctor"); code != 0 || strings.Contains(out, "FAIL") {
		t.Errorf("doctor ended with %d:\n%s%s", code, out, errs)
	}
	print := somePrint(t)
	if err := os.WriteFile(filepath.Join(dir, "part.gcode"), print, 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, code := command("submit", "part.gcode", "--set", "multiplier=1.08", "-o", "result.gcode")
	if code != 0 {
		t.Fatalf("submit ended with %d:\n%s%s", code, out, errs)
	}
	result, err := os.ReadFile(filepath.Join(dir, "result.gcode"))
	if err != nil {
		t.Fatal(err)
	}
	check(t, print, result, "--multiplier=1.08")
	id := strings.TrimSpace(out)
	if out, errs, code := command("logs", id); code != 0 || !strings.Contains(out, `"raised"`) {
		t.Errorf("logs ended with %d:\n%s%s", code, out, errs)
	}
	if out, errs, code := command("list", "--name=part.gcode"); code != 0 || !strings.Contains(out, id) {
		t.Errorf("list ended with %d:\n%s%s", code, out, errs)
	}
	if out, errs, code := command("status", "--wait", id); code != 0 || !strings.Contains(out, "completed") {
		t.Errorf("status ended with %d:\n%s%s", code, out, errs)
	}
	id, _, code = command("submit", "part.gcode", "-p", behaving(t, "hang"))
	if id = strings.TrimSpace(id); code != 0 {
		t.Fatalf("submit ended with %d", code)
	}
	if out, errs, code := command("cancel", id); code != 0 {
		t.Errorf("cancel ended with %d:\n%s%s", code, out, errs)
	}
}
