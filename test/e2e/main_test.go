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
	if err := cluster.EnsureNamespace(ctx, namespace); err != nil {
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
			cluster.LogState(t, namespace)
		}
	})
}

var eventually = node.Eventually

var httpClient = &http.Client{Timeout: time.Minute}
