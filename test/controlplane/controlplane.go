// Package controlplane runs a real etcd, kube-apiserver and kube-controller-manager for tests that need the rules of the
// API server or the Job controller but no pods that really run. A test plays the kubelet where one is needed.
package controlplane

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// ControlPlane is a running control plane with the product's CRDs installed.
type ControlPlane struct {
	Config *rest.Config
	Scheme *runtime.Scheme
	// Client reads and writes without a cache.
	Client client.WithWatch

	environment       *envtest.Environment
	controllerManager *exec.Cmd
	logs              bytes.Buffer
}

// Main runs the tests of a package against one control plane and returns the exit code. The programs are looked for in
// $KUBEBUILDER_ASSETS; without it every test that asks for the control plane is skipped by Require.
func Main(m *testing.M, running **ControlPlane) int {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return m.Run()
	}
	cp, err := start(assets)
	if err != nil {
		fmt.Fprintf(os.Stderr, "control plane: %v\n", err)
		return 1
	}
	*running = cp
	code := m.Run()
	if err := cp.stop(); err != nil {
		fmt.Fprintf(os.Stderr, "control plane: %v\n", err)
		return max(code, 1)
	}
	return code
}

// TokenKey is the file of the key with which the API server signs the tokens of service accounts.
func (cp *ControlPlane) TokenKey() string {
	return filepath.Join(cp.environment.ControlPlane.APIServer.CertDir, "sa-signer.key")
}

// Require skips the test when there is no control plane to run it against.
func Require(t *testing.T, running *ControlPlane) *ControlPlane {
	t.Helper()
	if running == nil {
		t.Skip("needs etcd, kube-apiserver and kube-controller-manager: set KUBEBUILDER_ASSETS to the folder that has them")
	}
	return running
}

func start(assets string) (*ControlPlane, error) {
	cp := &ControlPlane{Scheme: runtime.NewScheme()}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(cp.Scheme); err != nil {
			return nil, err
		}
	}
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	cp.environment = &envtest.Environment{
		BinaryAssetsDirectory:   assets,
		CRDDirectoryPaths:       []string{filepath.Join(root, "config", "crd")},
		ErrorIfCRDPathMissing:   true,
		ControlPlaneStopTimeout: 30 * time.Second,
	}
	// Service accounts as in any cluster: the test environment would leave that admission plugin out.
	cp.environment.ControlPlane.GetAPIServer().Configure().Disable("disable-admission-plugins")
	if cp.Config, err = cp.environment.Start(); err != nil {
		return nil, fmt.Errorf("failed to start etcd and kube-apiserver: %w", err)
	}
	cp.Config.QPS = -1
	if cp.Client, err = client.NewWithWatch(cp.Config, client.Options{Scheme: cp.Scheme}); err != nil {
		return nil, err
	}
	return cp, cp.startControllerManager(assets)
}

// startControllerManager runs the controllers that the product leans on: Jobs, owner references, namespaces.
func (cp *ControlPlane) startControllerManager(assets string) error {
	kubeconfig := filepath.Join(cp.environment.ControlPlane.APIServer.CertDir, "controller-manager.kubeconfig")
	if err := os.WriteFile(kubeconfig, cp.environment.KubeConfig, 0o600); err != nil {
		return err
	}
	cp.controllerManager = exec.Command(filepath.Join(assets, "kube-controller-manager"),
		"--kubeconfig="+kubeconfig,
		"--controllers=job-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller,resourcequota-controller,"+
			"pod-garbage-collector-controller",
		"--leader-elect=false", "--secure-port=0", "--kube-api-qps=1000", "--kube-api-burst=2000",
	)
	cp.controllerManager.Stdout, cp.controllerManager.Stderr = &cp.logs, &cp.logs
	if err := cp.controllerManager.Start(); err != nil {
		return fmt.Errorf("failed to start kube-controller-manager: %w", err)
	}
	return nil
}

func (cp *ControlPlane) stop() error {
	if err := cp.controllerManager.Process.Kill(); err != nil {
		return fmt.Errorf("failed to stop kube-controller-manager (its log ends %q): %w", tail(cp.logs.String()), err)
	}
	_ = cp.controllerManager.Wait() // killed, so always an error
	return cp.environment.Stop()
}

func tail(s string) string {
	return s[max(0, len(s)-2000):]
}

// Namespace makes a namespace for one test, deleted at its end.
func (cp *ControlPlane) Namespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := cp.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Client.Delete(context.Background(), namespace); err != nil {
			t.Error(err)
		}
	})
	Eventually(t, "the namespace's service account", func(ctx context.Context) (bool, error) {
		err := cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace.Name, Name: "default"}, &corev1.ServiceAccount{})
		return err == nil, err
	})
	return namespace.Name
}

// Pod waits for the pod that the Job controller makes for a Job.
func (cp *ControlPlane) Pod(t *testing.T, child *batchv1.Job, not ...string) *corev1.Pod {
	t.Helper()
	var found *corev1.Pod
	Eventually(t, "a pod of Job "+child.Name, func(ctx context.Context) (bool, error) {
		pods := &corev1.PodList{}
		err := cp.Client.List(ctx, pods, client.InNamespace(child.Namespace),
			client.MatchingLabels{batchv1.JobNameLabel: child.Name})
	next:
		for i := range pods.Items {
			for _, name := range not {
				if pods.Items[i].Name == name {
					continue next
				}
			}
			found = &pods.Items[i]
		}
		return found != nil, err
	})
	return found
}

// Eventually waits until the condition holds and fails the test after half a minute.
func Eventually(t *testing.T, what string, condition func(context.Context) (bool, error)) {
	t.Helper()
	Within(t, 30*time.Second, what, condition)
}

// Within is Eventually for what takes its time by design.
func Within(t *testing.T, limit time.Duration, what string, condition func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var last error
	for {
		ok, err := condition(ctx)
		if ok {
			return
		}
		if err != nil && ctx.Err() == nil { // else it says only that the time is over
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s (last error: %v)", what, last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// moduleRoot is the folder of go.mod, above the folder in which `go test` runs a package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
	}
}
