package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// plugin is the command bricklayers as kubectl finds it, with nothing but a kubeconfig, in a folder.
func plugin(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	var paths []string
	for _, path := range []string{"bin", cluster.Kubeconfig()} {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	// make images leaves bin/kubectl-bricklayers.
	c := exec.CommandContext(t.Context(), filepath.Join(paths[0], "kubectl"), append([]string{"bricklayers"}, args...)...)
	c.Dir = dir
	c.Env = append(os.Environ(), "KUBECONFIG="+paths[1], "BRICKLAYERS_GATEWAY=", "XDG_CACHE_HOME="+dir,
		"PATH="+paths[0]+":"+os.Getenv("PATH"))
	return c
}

// TestCommandOutlivesTheGateway: through the cluster, a command goes on with another pod when its own has gone.
func TestCommandOutlivesTheGateway(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "hang"))
	c := plugin(t, t.TempDir(), "status", "--wait", id)
	says, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(says)
	if first, err := lines.ReadString('\n'); err != nil { // it has the job's state through the first pod
		t.Fatalf("it ended after %q: %v", first, err)
	}
	pods := &corev1.PodList{}
	gateways := client.MatchingLabels{"app.kubernetes.io/component": "gateway"}
	if err := kube.List(t.Context(), pods, client.InNamespace(namespace), gateways); err != nil || len(pods.Items) == 0 {
		t.Fatalf("%d pods of the gateway: %v", len(pods.Items), err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if err := kube.Delete(t.Context(), pod, client.GracePeriodSeconds(1)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the gateway's pod to be gone", 2*time.Minute, func(ctx context.Context) (bool, error) {
			err := kube.Get(ctx, client.ObjectKeyFromObject(pod), &corev1.Pod{})
			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		})
	}
	// That the job is gone too only reaches the command through another pod.
	if err := kube.Delete(t.Context(), jobNamed(t, id)); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(lines)
	if err := c.Wait(); c.ProcessState.ExitCode() != 4 {
		t.Errorf("it ended with %v, want the exit code of a job that is gone: %s", err, rest)
	}
}

// TestCommand gives the command bricklayers as a plugin of kubectl, with nothing but a kubeconfig.
func TestCommand(t *testing.T) {
	require(t)
	dir := t.TempDir()
	command := func(args ...string) (stdout, stderr string, code int) {
		c := plugin(t, dir, args...)
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
