// Package e2e_test runs the product as its users do: on a real node with real pods, installed by its chart, through its
// HTTP port and through kubectl.
package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/test/node"
)

const (
	namespace  = "bricklayers-system"
	gatewayURL = "http://127.0.0.1:18000"
)

var (
	cluster *node.Cluster
	// kube reads and writes the cluster; nil when the tests cannot run here.
	kube client.Client
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Geteuid() != 0 {
		return m.Run() // every test says why it is skipped
	}
	if err := os.Chdir("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := setUp(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		return 1
	}
	code := m.Run()
	if err := checkRights(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		code = max(code, 1)
	}
	if os.Getenv("E2E_KEEP") != "" {
		return code // to look at what is left
	}
	if err := cluster.Stop(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		return max(code, 1)
	}
	return code
}

// setUp starts the cluster, loads the images and installs the chart into a namespace that enforces the restricted Pod
// Security Standard.
func setUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	var err error
	if cluster, err = node.Start(ctx, "e2e", "127.0.0.1:18000="+namespace+"/bricklayers-gateway:8000"); err != nil {
		return err
	}
	kube = cluster.Client
	if err := node.BuildTestProcessor(ctx); err != nil {
		return err
	}
	images, err := filepath.Glob("bin/images/*.tar")
	if err != nil {
		return err
	}
	if err := cluster.Load(ctx, images...); err != nil {
		return err
	}
	if err := ensureNamespace(ctx, namespace); err != nil {
		return err
	}
	return program(ctx, "helm", "upgrade", "--install", "bricklayers", "charts/bricklayers", "--namespace", namespace,
		"--wait", "--timeout", "4m")
}

const testImage = node.TestImage

// program runs a program of bin/ against the cluster.
func program(ctx context.Context, name string, args ...string) error {
	return cluster.Run(ctx, name, args...)
}

// require skips a test where there is no cluster.
func require(t *testing.T) {
	t.Helper()
	if kube == nil {
		t.Skip("needs root: a real node is made of namespaces, mounts and cgroups")
	}
	t.Cleanup(func() {
		if t.Failed() {
			logState(t)
		}
	})
}

// logState shows what a person would look at first.
func logState(t *testing.T) {
	for _, args := range [][]string{
		{"get", "processingjobs,jobs,pods", "-n", namespace, "-o", "wide"},
		{"get", "events", "-n", namespace, "--sort-by=.lastTimestamp"},
		{"logs", "-n", namespace, "deployment/bricklayers-manager", "--tail=40"},
		{"logs", "-n", namespace, "deployment/bricklayers-gateway", "--tail=40"},
	} {
		out, err := cluster.Output(context.Background(), "kubectl", args...)
		t.Logf("kubectl %v (%v)\n%s", args, err, out)
	}
}

// eventually waits for a condition; what a real node does takes seconds.
func eventually(t *testing.T, what string, within time.Duration, condition func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var last error
	for {
		ok, err := condition(ctx)
		if ok {
			return
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s in vain for %s (last error: %v)", within, what, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

var httpClient = &http.Client{Timeout: time.Minute}
