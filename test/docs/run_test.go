package docs

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"bricklayers.dev/bricklayers/test/node"
)

const clusterName = "docs"

// TestPages follows the pages as a newcomer would, in a fresh copy of the checkout.
func TestPages(t *testing.T) {
	if os.Geteuid() != 0 {
		node.Missing(t, "needs root: a real node is made of namespaces, mounts and cgroups")
	}
	if testing.Short() {
		t.Skip("takes minutes")
	}
	t.Chdir("../..")
	clone := freshClone(t)
	t.Run("README.md", func(t *testing.T) {
		// A cluster is known by the folder that it was started in.
		t.Cleanup(func() {
			down := exec.CommandContext(context.Background(), "make", "cluster-down", "CLUSTER="+clusterName)
			down.Dir = clone
			if out, err := down.CombinedOutput(); err != nil {
				t.Errorf("make cluster-down: %v\n%s", err, out)
			}
		})
		follow(t, clone, "README.md", "CLUSTER="+clusterName)
	})
	registry := startRegistry(t)
	c := existingCluster(t, registry)
	environment := []string{"REGISTRY=" + registry, "KUBECONFIG=" + absolute(t, c.Kubeconfig())}
	followed := t.Run("getting-started.md", func(t *testing.T) {
		follow(t, clone, "docs/getting-started.md", environment...)
	})
	if !followed {
		return
	}
	t.Run("writing-a-processor.md", func(t *testing.T) {
		// The page before it ends with nothing installed.
		err := c.Run(t.Context(), "helm", "install", "bricklayers", "charts/bricklayers", "--namespace", "bricklayers-system",
			"--create-namespace", "--set", "image.registry="+registry, "--wait")
		if err != nil {
			t.Fatal(err)
		}
		loadBusybox(t, c)
		follow(t, clone, "docs/writing-a-processor.md", environment...)
	})
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// freshClone is the checkout as it would be committed, but that what is built already need not be built again.
func freshClone(t *testing.T) string {
	t.Helper()
	names, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		node.Missing(t, "needs a checkout: git ls-files: %v", err)
	}
	clone := filepath.Join(t.TempDir(), "bricklayers")
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		content, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(clone, name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(clone, name), content, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(absolute(t, "bin"), filepath.Join(clone, "bin")); err != nil {
		t.Fatal(err)
	}
	return clone
}

// follow runs a page in the clone, with the tools that the page expects in the path.
func follow(t *testing.T, clone, name string, environment ...string) {
	t.Helper()
	markdown, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	page, err := Parse(string(markdown))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", page.Script(name))
	shell.Dir = clone
	shell.Env = append(append(os.Environ(), "PATH="+filepath.Join(clone, "bin")+":"+os.Getenv("PATH")), environment...)
	// A page leaves programs in the background, which hold its output open.
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	shell.Cancel = func() error { return syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) }
	shell.WaitDelay = 10 * time.Second
	out, err := shell.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// startRegistry starts a registry on this machine and returns the name under which images go there.
func startRegistry(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "registry")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/google/go-containerregistry/cmd/registry")
	build.Dir = "hack/images"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the registry: %v\n%s", err, out)
	}
	registry := exec.CommandContext(t.Context(), program, "-port", "0")
	log, err := registry.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Wait() }) // killed when the test's context ended
	port := regexp.MustCompile(`serving on port (\d+)`)
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if found := port.FindStringSubmatch(lines.Text()); found != nil {
			go func() { // or it would block on a full pipe
				for lines.Scan() {
				}
			}()
			return "localhost:" + found[1] + "/bricklayers"
		}
	}
	t.Fatal("the registry ended before it said its port")
	return ""
}

// existingCluster is the cluster that a newcomer has. Its node is in a network of its own and cannot pull from a registry
// on this machine, so it is given the images under the names that they get there.
func existingCluster(t *testing.T, registry string) *node.Cluster {
	t.Helper()
	c, err := node.Start(t.Context(), clusterName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	version := chartVersion(t)
	for _, name := range []string{"manager", "gateway", "agent", "brick"} {
		load(t, c, "bin/"+name, registry+"/"+name+":"+version)
	}
	return c
}

func chartVersion(t *testing.T) string {
	t.Helper()
	chart, err := os.ReadFile("charts/bricklayers/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^appVersion: (\S+)$`).FindSubmatch(chart)
	if found == nil {
		t.Fatal("the chart has no appVersion")
	}
	return string(found[1])
}

// load packs a program into an image and gives it to the node.
func load(t *testing.T, c *node.Cluster, program, image string) {
	t.Helper()
	tarball := filepath.Join(t.TempDir(), "image.tar")
	pack := exec.CommandContext(t.Context(), "bin/packimage", "--binary", program, "--name", image, "-o", tarball)
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("pack %s: %v\n%s", image, err, out)
	}
	if err := c.Load(t.Context(), tarball); err != nil {
		t.Fatal(err)
	}
}

// loadBusybox gives the node Debian's busybox under the name of the image that the page uses and nobody can pull here.
func loadBusybox(t *testing.T, c *node.Cluster) {
	t.Helper()
	dir := t.TempDir()
	get := exec.CommandContext(t.Context(), "bash", "-c",
		"{ apt-get -qq download busybox-static || { apt-get -qq update && apt-get -qq download busybox-static; }; } && "+
			"dpkg-deb -x busybox-static_*.deb .")
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		node.Missing(t, "needs Debian's package busybox-static: %v\n%s", err, out)
	}
	load(t, c, filepath.Join(dir, "bin/busybox"), "docker.io/library/busybox:1.35")
}
