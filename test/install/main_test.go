// Package install_test installs the product in ways that test/e2e does not: from the previous release to this one and
// back under load, for one namespace only, and away again, on a real node with real pods.
package install_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"bricklayers.dev/bricklayers/test/node"
)

// cluster is nil where the tests cannot run.
var cluster *node.Cluster

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Geteuid() != 0 {
		return m.Run() // every test says why it is skipped
	}
	err := os.Chdir("../..")
	if err == nil {
		err = setUp()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "install: %v\n", err)
		return 1
	}
	code := m.Run()
	if os.Getenv("E2E_KEEP") != "" {
		return code // to look at what is left
	}
	if err := cluster.Stop(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "install: %v\n", err)
		return max(code, 1)
	}
	return code
}

func setUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := node.BuildTestProcessor(ctx); err != nil {
		return err
	}
	var err error
	if cluster, err = node.Start(ctx, "install"); err != nil {
		return err
	}
	var images []string
	for _, name := range append(programs, "test-processor") {
		images = append(images, "bin/images/"+name+".tar")
	}
	return cluster.Load(ctx, images...)
}

// makeNamespace makes a namespace that enforces the restricted Pod Security Standard. What is in it is shown when the
// test fails.
func makeNamespace(t *testing.T, name string) {
	t.Helper()
	if cluster == nil {
		t.Skip("needs root: a real node is made of namespaces, mounts and cgroups")
	}
	if err := cluster.EnsureNamespace(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			cluster.LogState(t, name)
		}
	})
}

var eventually = node.Eventually
