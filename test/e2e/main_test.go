// Package e2e_test runs the product as its users do: on a real node with real pods, installed by its chart, through its
// HTTP port and through kubectl.
package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

const (
	clusterName = "e2e"
	namespace   = "bricklayers-system"
	gatewayURL  = "http://127.0.0.1:18000"
)

// kube reads and writes the cluster; nil when the tests cannot run here.
var kube client.Client

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
	if os.Getenv("E2E_KEEP") != "" {
		return code // to look at what is left
	}
	if err := program(context.Background(), "clusterctl", "down", "--name", clusterName); err != nil {
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
	// What an interrupted run left is no clean start.
	if err := program(ctx, "clusterctl", "down", "--name", clusterName); err != nil {
		return err
	}
	if err := program(ctx, "clusterctl", "up", "--name", clusterName,
		"--forward", "127.0.0.1:18000="+namespace+"/bricklayers-gateway:8000"); err != nil {
		return err
	}
	if err := buildProcessor(ctx); err != nil {
		return err
	}
	images, err := filepath.Glob("bin/images/*.tar")
	if err != nil {
		return err
	}
	if err := program(ctx, "clusterctl", append([]string{"load", "--name", clusterName}, images...)...); err != nil {
		return err
	}
	if err := connect(); err != nil {
		return err
	}
	if err := makeNamespace(ctx); err != nil {
		return err
	}
	return program(ctx, "helm", "upgrade", "--install", "bricklayers", "charts/bricklayers", "--namespace", namespace,
		"--wait", "--timeout", "4m")
}

// buildProcessor packs the test's own Processor.
func buildProcessor(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", "bin/test-processor", "./test/e2e/processor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to build the test processor: %w\n%s", err, out)
	}
	return program(ctx, "packimage", "--binary", "bin/test-processor", "--name", testImage, "-o", "bin/images/test-processor.tar")
}

const testImage = "bricklayers.dev/test-processor:e2e"

func connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig())
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	kube, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

func makeNamespace(ctx context.Context) error {
	err := kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})
	if err != nil && client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	return nil
}

func kubeconfig() string { return filepath.Join("bin", clusterName, "kubeconfig") }

// program runs a program of bin/ against the cluster.
func program(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, filepath.Join("bin", name), args...)
	c.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig())
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
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
		c := exec.Command("bin/kubectl", args...)
		c.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig())
		out, err := c.CombinedOutput()
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
