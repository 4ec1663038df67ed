package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bricklayers.dev/bricklayers/hack/cluster/internal/host"
	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// cluster drives clusterctl and kubectl as a person would.
type cluster struct {
	t       *testing.T
	program string
	root    string
	name    string
}

func newCluster(t *testing.T, name string) *cluster {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: a node consists of namespaces, mounts and cgroups")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "bin/node/kube-apiserver")); err != nil {
		t.Skip("needs the node's programs: run clusterctl build")
	}
	c := &cluster{t: t, program: filepath.Join(t.TempDir(), "clusterctl"), root: root, name: name}
	run(t, "go", "build", "-o", c.program, ".")
	t.Cleanup(func() {
		c.ctl("down")
		c.requireNothingLeft()
	})
	return c
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var output bytes.Buffer
	command := exec.Command(name, args...)
	command.Stdout, command.Stderr = &output, &output
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, output.String())
	}
	return output.String()
}

func (c *cluster) arguments(args []string) []string {
	return append([]string{"--root", c.root, "--name", c.name}, args...)
}

func (c *cluster) ctl(args ...string) string {
	c.t.Helper()
	return run(c.t, c.program, c.arguments(args)...)
}

func (c *cluster) kubectl(args ...string) string {
	c.t.Helper()
	kubeconfig := filepath.Join(c.root, "bin", c.name, "kubeconfig")
	return run(c.t, filepath.Join(c.root, "bin/kubectl"), append([]string{"--kubeconfig", kubeconfig}, args...)...)
}

// nodePID finds the node's process 1 on the host.
func (c *cluster) nodePID() int {
	c.t.Helper()
	var pid int
	for line := range strings.Lines(c.ctl("status")) {
		if _, err := fmt.Sscanf(line, c.name+": node: process %d,", &pid); err == nil {
			return pid
		}
	}
	c.t.Fatal("status names no node process")
	return 0
}

// requireNothingLeft looks at the machine, not at what the product believes.
func (c *cluster) requireNothingLeft() {
	c.t.Helper()
	state := filepath.Join(c.root, "bin", c.name)
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, path := range environments {
		content, _ := os.ReadFile(path) // processes come and go
		if bytes.Contains(content, []byte(state)) {
			c.t.Errorf("process %s belongs to the cluster", path)
		}
	}
	links, err := net.Interfaces()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, link := range links {
		alias, _ := os.ReadFile("/sys/class/net/" + link.Name + "/ifalias")
		if strings.TrimSpace(string(alias)) == state {
			c.t.Errorf("network interface %s belongs to the cluster", link.Name)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(mounts, []byte(state)) {
		c.t.Errorf("a mount of the cluster is left (%v)", err)
	}
	l, err := layout.New(c.root, c.name)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		if groups, err := filepath.Glob(pattern + host.CgroupName(l)); err != nil || len(groups) > 0 {
			c.t.Errorf("cgroups %v are left (%v)", groups, err)
		}
	}
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		c.t.Errorf("%s is left (%v)", state, err)
	}
}

func TestCluster(t *testing.T) {
	c := newCluster(t, "selftest")
	port := freePort(t)
	forward := fmt.Sprintf("--forward=127.0.0.1:%d=probe/web:80", port)
	c.ctl("up", forward)
	c.loadProbe()
	c.kubectl("apply", "-f", "testdata/workloads.yaml")

	t.Run("a Job runs its steps in order", func(t *testing.T) {
		c.kubectl("-n", "probe", "wait", "--for=condition=Complete", "job/steps", "--timeout=60s")
		if got := c.kubectl("-n", "probe", "logs", "job/steps", "-c", "store"); got != "fetched\nprocessed\n" {
			t.Errorf("the last step saw %q", got)
		}
	})
	c.kubectl("-n", "probe", "rollout", "status", "deployment/web", "--timeout=60s")
	const hello = "hello from a pod"
	t.Run("a pod reaches a Service by name", func(t *testing.T) {
		if got := c.probe("get", "http://web.probe.svc.cluster.local"); got != hello {
			t.Errorf("got %q", got)
		}
	})
	t.Run("the host reaches a Service", func(t *testing.T) {
		ip := c.kubectl("-n", "probe", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
		if got := fetch(t, "http://"+ip); got != hello {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a forward leads to a Service, also when that is made anew", func(t *testing.T) {
		url := fmt.Sprintf("http://127.0.0.1:%d", port)
		if got := fetch(t, url); got != hello {
			t.Errorf("got %q", got)
		}
		c.kubectl("-n", "probe", "delete", "service", "web")
		c.kubectl("apply", "-f", "testdata/workloads.yaml")
		eventually(t, "the new service", func() error {
			if got := fetchOnce(url); got != hello {
				return fmt.Errorf("got %q", got)
			}
			return nil
		})
	})
	t.Run("a container without root writes to a volume", func(t *testing.T) {
		c.probe("append", "/bucket/file", "kept")
		if got := c.probe("print", "/bucket/file"); got != "kept\n" {
			t.Errorf("read %q", got)
		}
	})
	t.Run("a missing image is known soon", func(t *testing.T) {
		c.kubectl("-n", "probe", "wait", "pod/missing-image", "--timeout=30s",
			"--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff")
	})
	t.Run("up on a running cluster changes nothing", func(t *testing.T) {
		pid := c.nodePID()
		if said := c.ctl("up", forward); !strings.Contains(said, "is running") {
			t.Errorf("up said %q", said)
		}
		if got := c.nodePID(); got != pid {
			t.Errorf("the node was process %d and is now %d", pid, got)
		}
	})
	t.Run("a second cluster runs beside it", func(t *testing.T) {
		second := newCluster(t, "selftest-2")
		second.ctl("up")
		second.kubectl("get", "--raw", "/readyz")
		c.kubectl("get", "--raw", "/readyz")
	})
	t.Run("up mends a cluster whose node was killed", func(t *testing.T) {
		if err := syscall.Kill(c.nodePID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		c.ctl("up")
		c.kubectl("wait", "--for=condition=Ready", "node/node", "--timeout=10s")
	})
	c.ctl("down")
	c.requireNothingLeft()
}

// loadProbe puts the image into the node that the workloads run.
func (c *cluster) loadProbe() {
	c.t.Helper()
	dir := c.t.TempDir()
	binary, tarball := filepath.Join(dir, "probe"), filepath.Join(dir, "probe.tar")
	run(c.t, "go", "build", "-o", binary, "./testdata/probe")
	run(c.t, filepath.Join(c.root, "bin/packimage"), "--binary", binary, "--name", "bricklayers.dev/probe:test",
		"-o", tarball)
	c.ctl("load", tarball)
}

// probe runs one of the probe's commands in the web pod.
func (c *cluster) probe(args ...string) string {
	c.t.Helper()
	return c.kubectl(append([]string{"-n", "probe", "exec", "deployment/web", "--", "/probe"}, args...)...)
}

func TestUpInterrupted(t *testing.T) {
	for _, moment := range []string{"loading images", "waiting for the API server", "waiting for the node"} {
		t.Run(moment, func(t *testing.T) {
			c := newCluster(t, "selftest-interrupted")
			command := exec.Command(c.program, c.arguments([]string{"up"})...)
			output, err := command.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			scanner := bufio.NewScanner(output)
			for scanner.Scan() {
				if strings.Contains(scanner.Text(), moment) {
					if err := command.Process.Signal(os.Interrupt); err != nil {
						t.Fatal(err)
					}
				}
			}
			var exit *exec.ExitError
			if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
				t.Errorf("up ended with %v, want status 130", err)
			}
			c.requireNothingLeft()
		})
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	var got string
	eventually(t, url, func() error {
		if got = fetchOnce(url); got == "" {
			return errors.New("no answer")
		}
		return nil
	})
	return got
}

// fetchOnce returns what the URL answers, nothing when it does not.
func fetchOnce(url string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond) // between two looks, bounded by the deadline
	}
}
