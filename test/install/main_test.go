// Package install_test installs the product in ways that test/e2e does not: from the previous release to this one and
// back under load, for one namespace only, and away again, on a real node with real pods.
package install_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	err := cluster.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logState(t, name)
		}
	})
}

// logState shows what a person would look at first.
func logState(t *testing.T, namespace string) {
	for _, args := range [][]string{
		{"get", "all,processingjobs,pvc", "-n", namespace, "-o", "wide"},
		{"get", "events", "-n", namespace, "--sort-by=.lastTimestamp"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=manager", "--tail=40", "--prefix"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=gateway", "--tail=40", "--prefix"},
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
