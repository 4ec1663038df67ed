// Package upgrade_test takes an installation under load from the previous release to this one, back, and away, on a real
// node with real pods.
package upgrade_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"bricklayers.dev/bricklayers/test/node"
)

const namespace = "bricklayers-system"

func TestMain(m *testing.M) {
	if os.Geteuid() == 0 {
		if err := os.Chdir("../.."); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// startCluster starts a cluster that has the images of both releases.
func startCluster(t *testing.T, previous *previousRelease) *node.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	if err := node.BuildTestProcessor(ctx); err != nil {
		t.Fatal(err)
	}
	images, err := previous.images(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := node.Start(ctx, "upgrade")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("E2E_KEEP") == "" {
		t.Cleanup(func() {
			if err := c.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	for _, name := range append(programs, "test-processor") {
		images = append(images, "bin/images/"+name+".tar")
	}
	if err := c.Load(ctx, images...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logState(t, c)
		}
	})
	return c
}

// logState shows what a person would look at first.
func logState(t *testing.T, c *node.Cluster) {
	for _, args := range [][]string{
		{"get", "all,processingjobs,pvc", "-n", namespace, "-o", "wide"},
		{"get", "events", "-n", namespace, "--sort-by=.lastTimestamp"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=manager", "--tail=40", "--prefix"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=gateway", "--tail=40", "--prefix"},
	} {
		out, err := c.Output(context.Background(), "kubectl", args...)
		t.Logf("kubectl %v (%v)\n%s", args, err, out)
	}
}

// eventually waits for a condition; what a real node does takes seconds.
func eventually(t *testing.T, what string, within time.Duration, condition func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		ok, err := condition(ctx)
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s in vain for %s (last error: %v)", within, what, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
