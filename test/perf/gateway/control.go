package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

const namespace = "default"

// control is an API server, and the gateway's program to run against it.
type control struct {
	environment *envtest.Environment
	kube        client.Client
	kubeconfig  string
	program     string
}

func startControl(ctx context.Context, folder string) (_ *control, err error) {
	c := &control{program: filepath.Join(folder, "gateway"), kubeconfig: filepath.Join(folder, "kubeconfig")}
	// As it is built for its image.
	linked := c.program + ".linked"
	build := exec.CommandContext(ctx, "go", "build", "-tags=disable_grpc_modules", "-trimpath", "-ldflags=-s -w",
		"-o", linked, "bricklayers.dev/bricklayers/cmd/gateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	// Written as an image is unpacked: the page cache holds what the linker writes in other pieces, of which 4 MB more
	// come to be resident.
	if err := exec.CommandContext(ctx, "cp", linked, c.program).Run(); err != nil {
		return nil, fmt.Errorf("copy the gateway: %w", err)
	}
	c.environment = &envtest.Environment{
		BinaryAssetsDirectory: os.Getenv("KUBEBUILDER_ASSETS"),
		CRDDirectoryPaths:     []string{filepath.Join("config", "crd")},
		ErrorIfCRDPathMissing: true,
	}
	config, err := c.environment.Start()
	if err != nil {
		return nil, fmt.Errorf("start the API server: %w", err)
	}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	if err := os.WriteFile(c.kubeconfig, c.environment.KubeConfig, 0o600); err != nil {
		return nil, err
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if c.kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	return c, c.kube.Create(ctx, &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "brick"},
		Spec: v1alpha1.ProcessorSpec{
			Accepts:   v1alpha1.Accepts{Formats: []string{"gcode"}},
			Container: v1alpha1.ProcessorContainer{Image: "example.com/brick"},
		},
	})
}

// createJobs makes ProcessingJobs as uploads do, and returns their names.
func (c *control) createJobs(ctx context.Context, count int) ([]string, error) {
	names := make([]string, count)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for i := range names {
		names[i] = strings.ToLower(rand.Text())
		group.Go(func() error {
			return c.kube.Create(ctx, &v1alpha1.ProcessingJob{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: names[i]},
				Spec: v1alpha1.ProcessingJobSpec{
					Processor: "brick",
					Input: v1alpha1.Input{Upload: &v1alpha1.UploadInput{
						Name: "a-print.gcode", SHA256: v1alpha1.Digest(strings.Repeat("0", 64)), Size: ptr.To[int64](1 << 20),
					}},
				},
			})
		})
	}
	return names, group.Wait()
}

// stop ends the API server, which has nothing to keep.
func (c *control) stop() { _ = c.environment.Stop() }
