// Package node gives tests a cluster of one real node, built from source and run on this machine by hack/cluster.
package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/rights"
)

// Cluster is a running cluster. Paths are those of a process in the root of the checkout.
type Cluster struct {
	client.Client
	Name string
}

// Start starts a cluster from nothing, with the addresses of this machine that lead to Services
// (127.0.0.1:8000=NAMESPACE/SERVICE:PORT).
func Start(ctx context.Context, name string, forwards ...string) (*Cluster, error) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains that nobody did
	c := &Cluster{Name: name}
	// What an interrupted run left is no clean start.
	if err := c.Stop(ctx); err != nil {
		return nil, err
	}
	args := []string{"up", "--name", name}
	for _, forward := range forwards {
		args = append(args, "--forward", forward)
	}
	if err := c.Run(ctx, "clusterctl", args...); err != nil {
		return nil, err
	}
	return c, c.connect()
}

func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 200
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	c.Client, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

// Stop removes the cluster and everything it started.
func (c *Cluster) Stop(ctx context.Context) error {
	return c.Run(ctx, "clusterctl", "down", "--name", c.Name)
}

// Load imports images from tarballs.
func (c *Cluster) Load(ctx context.Context, tarballs ...string) error {
	return c.Run(ctx, "clusterctl", append([]string{"load", "--name", c.Name}, tarballs...)...)
}

// Kubeconfig is the way in for other programs.
func (c *Cluster) Kubeconfig() string { return filepath.Join("bin", c.Name, "kubeconfig") }

// Run runs a program of bin/ against the cluster.
func (c *Cluster) Run(ctx context.Context, program string, args ...string) error {
	_, err := c.Output(ctx, program, args...)
	return err
}

// Output is what such a program writes to its standard output.
func (c *Cluster) Output(ctx context.Context, program string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, filepath.Join("bin", program), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig())
	out, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = append(out, exit.Stderr...)
		}
		return nil, fmt.Errorf("%s %v: %w\n%s", program, args, err, out)
	}
	return out, nil
}

// AuditLog is what service accounts asked the API server for, with the parts of the log that it put aside when full.
func (c *Cluster) AuditLog() ([]rights.Request, error) {
	files, err := filepath.Glob(filepath.Join("bin", c.Name, "logs", "audit*.log"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("cluster %s has no audit log", c.Name)
	}
	var all []rights.Request
	for _, path := range files {
		requests, err := readLog(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, requests...)
	}
	return all, nil
}

func readLog(path string) ([]rights.Request, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return rights.Read(file)
}

// BuildTestProcessor packs the Processor of the tests into bin/images, as Image.
func BuildTestProcessor(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", "bin/test-processor", "./test/e2e/processor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to build the test processor: %w\n%s", err, out)
	}
	pack := exec.CommandContext(ctx, "bin/packimage", "--binary", "bin/test-processor", "--name", TestImage,
		"-o", "bin/images/test-processor.tar")
	if out, err := pack.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to pack the test processor: %w\n%s", err, out)
	}
	return nil
}

// TestImage behaves as its first argument says; see test/e2e/processor.
const TestImage = "bricklayers.dev/test-processor:e2e"
