package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

const namespace = "bench"

// cluster is a control plane whose nodes KWOK plays.
type cluster struct {
	client.WithWatch
	environment *envtest.Environment
	kubeconfig  string
	programs    []*exec.Cmd
	pods        *exec.Cmd // KWOK
	run         int       // counts the measurements, for names
	template    *batchv1.Job
}

func startCluster(ctx context.Context, o options) (*cluster, error) {
	c := &cluster{environment: &envtest.Environment{
		BinaryAssetsDirectory: o.assets, CRDDirectoryPaths: []string{"config/crd"}, ErrorIfCRDPathMissing: true,
		ControlPlaneStopTimeout: time.Minute,
	}}
	apiServer := c.environment.ControlPlane.GetAPIServer().Configure()
	apiServer.Disable("disable-admission-plugins").
		Set("max-requests-inflight", "5000").Set("max-mutating-requests-inflight", "2500")
	config, err := c.environment.Start()
	if err != nil {
		return nil, fmt.Errorf("failed to start the control plane: %w", err)
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	if c.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	c.kubeconfig = filepath.Join(c.environment.ControlPlane.APIServer.CertDir, "kubeconfig")
	if err := os.WriteFile(c.kubeconfig, c.environment.KubeConfig, 0o600); err != nil {
		return nil, err
	}
	if err := c.startPrograms(o); err != nil {
		c.stop()
		return nil, err
	}
	err = c.populate(ctx)
	if err == nil {
		err = c.learnJob(ctx, o)
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *cluster) startPrograms(o options) error {
	schedulerConfig := filepath.Join(filepath.Dir(c.kubeconfig), "scheduler.yaml")
	content := fmt.Sprintf("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"+
		"leaderElection: {leaderElect: false}\nclientConnection: {kubeconfig: %s, qps: 5000, burst: 5000}\n", c.kubeconfig)
	if err := os.WriteFile(schedulerConfig, []byte(content), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{filepath.Join(o.assets, "kube-controller-manager"), "--kubeconfig=" + c.kubeconfig, "--leader-elect=false",
			"--secure-port=0", "--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-job-syncs=50",
			"--controllers=job-controller,garbage-collector-controller,serviceaccount-controller,namespace-controller"},
		{filepath.Join(o.assets, "kube-scheduler"), "--config=" + schedulerConfig, "--secure-port=0"},
	} {
		if _, err := c.start(args...); err != nil {
			return err
		}
	}
	return c.startPods("pod-complete.yaml")
}

// startPods has KWOK play the kubelets, by its own stages for pods that run at once, and by the further ones.
func (c *cluster) startPods(further ...string) error {
	module, err := exec.Command("go", "list", "-C", "hack/tools/kwok", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok").Output()
	if err != nil {
		return fmt.Errorf("failed to find KWOK's module: %w", err)
	}
	args := []string{"bin/kwok", "--kubeconfig=" + c.kubeconfig, "--manage-all-nodes=true", "--server-address="}
	stages := filepath.Join(strings.TrimSpace(string(module)), "kustomize", "stage")
	for _, kind := range []string{"node", "pod"} {
		files, err := filepath.Glob(filepath.Join(stages, kind, "fast", kind+"-*.yaml"))
		if err != nil {
			return err
		}
		for _, file := range files {
			name := filepath.Base(file)
			if name != "pod-complete.yaml" || slices.Contains(further, name) {
				args = append(args, "--config="+file)
			}
		}
	}
	c.pods, err = c.start(args...)
	return err
}

// start runs a program until the cluster stops.
func (c *cluster) start(args ...string) (*exec.Cmd, error) {
	program := exec.Command(args[0], args[1:]...)
	log, err := os.Create(filepath.Join(filepath.Dir(c.kubeconfig), filepath.Base(args[0])+".log"))
	if err != nil {
		return nil, err
	}
	program.Stdout, program.Stderr = log, log
	program.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig) // for the manager; the others have a flag
	if err := program.Start(); err != nil {
		return nil, fmt.Errorf("failed to start %s: %w", args[0], err)
	}
	c.programs = append(c.programs, program)
	return program, nil
}

func stopProgram(program *exec.Cmd) {
	if program.ProcessState == nil {
		_ = program.Process.Kill() // gone already is as good
		_ = program.Wait()         // killed, so always an error
	}
}

func (c *cluster) stop() {
	for _, program := range c.programs {
		stopProgram(program)
	}
	if err := c.environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "control plane:", err)
	}
}

// populate makes the nodes, the namespace and the Processor.
func (c *cluster) populate(ctx context.Context) error {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1000"), corev1.ResourceMemory: resource.MustParse("4Ti"),
		corev1.ResourcePods: resource.MustParse("100000"), corev1.ResourceEphemeralStorage: resource.MustParse("100Ti"),
	}
	for i := range 20 {
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", i), Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}},
			Status:     corev1.NodeStatus{Capacity: capacity, Allocatable: capacity},
		}
		if err := c.Create(ctx, node); err != nil {
			return err
		}
		// A new node is tainted until the node controller, which does not run here, sees it ready.
		untaint := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"taints":null}}`))
		if err := c.Patch(ctx, node, untaint); err != nil {
			return err
		}
	}
	if err := c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	return c.Create(ctx, &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "brick"},
		Spec:       v1alpha1.ProcessorSpec{Container: v1alpha1.ProcessorContainer{Image: "example.com/brick:1"}},
	})
}
