package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// cluster is a real API server and a helm that talks to it.
type cluster struct {
	client.Client
	kubeconfig string
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	assets := t.TempDir()
	for name, path := range map[string]string{
		"etcd": "node/etcd", "kube-apiserver": "node/kubernetes", "kubectl": "node/kubernetes",
	} {
		if err := os.Symlink(tool(t, path), filepath.Join(assets, name)); err != nil {
			t.Fatal(err)
		}
	}
	env := &envtest.Environment{BinaryAssetsDirectory: assets}
	config, err := env.Start()
	if err != nil {
		t.Fatalf("start API server: %v", err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Errorf("stop API server: %v", err)
		}
	})
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{Client: c, kubeconfig: kubeconfig}
}

// helm runs one helm command against the cluster, in the release's namespace.
func (c *cluster) helm(t *testing.T, args ...string) {
	t.Helper()
	out, err := runHelm(t, []string{"KUBECONFIG=" + c.kubeconfig}, append(args, "--namespace", namespace)...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// wantImage fails unless the Processor brick is there, once made and never replaced, with that image.
func (c *cluster) wantImage(t *testing.T, when, image string, uid *string) {
	t.Helper()
	var processor v1alpha1.Processor
	key := client.ObjectKey{Namespace: namespace, Name: "brick"}
	if err := c.Get(t.Context(), key, &processor); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if processor.Spec.Container.Image != image {
		t.Errorf("%s: image is %s, want %s", when, processor.Spec.Container.Image, image)
	}
	if *uid == "" {
		*uid = string(processor.UID)
	}
	if string(processor.UID) != *uid {
		t.Errorf("%s: the Processor was deleted and made again", when)
	}
}

// TestRelease follows one release from an empty cluster through upgrade and rollback to uninstall. The Processor is of a
// kind that the same release defines; jobs may be waiting for it all the time, so it must never be missing in between.
func TestRelease(t *testing.T) {
	c := startCluster(t)
	var uid string

	c.helm(t, "install", release, chartPath, "--create-namespace", "--set", "image.tag=v1")
	c.wantImage(t, "installed", "bricklayers.dev/brick:v1", &uid)

	c.helm(t, "upgrade", release, chartPath, "--set", "image.tag=v2")
	c.wantImage(t, "upgraded", "bricklayers.dev/brick:v2", &uid)

	c.helm(t, "upgrade", release, chartPath, "--set", "image.tag=v3")
	c.wantImage(t, "upgraded again", "bricklayers.dev/brick:v3", &uid)

	c.helm(t, "rollback", release, "2")
	c.wantImage(t, "rolled back to an upgrade", "bricklayers.dev/brick:v2", &uid)

	c.helm(t, "rollback", release, "1")
	c.wantImage(t, "rolled back to the install", "bricklayers.dev/brick:v1", &uid)

	c.helm(t, "upgrade", release, chartPath, "--set", "image.tag=v4")
	c.wantImage(t, "upgraded after the rollback", "bricklayers.dev/brick:v4", &uid)

	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "kept"},
		Spec: v1alpha1.ProcessingJobSpec{
			Processor: "brick",
			Input:     v1alpha1.Input{ConfigMap: &v1alpha1.ConfigMapInput{Name: "print", Key: "print.gcode"}},
		},
	}
	if err := c.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	c.helm(t, "uninstall", release)
	c.wantImage(t, "uninstalled", "bricklayers.dev/brick:v4", &uid)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(job), job); err != nil {
		t.Errorf("uninstalled: %v", err)
	}
	c.wantOnlyKept(t)

	c.helm(t, "install", release, chartPath, "--set", "image.tag=v5")
	c.wantImage(t, "installed again", "bricklayers.dev/brick:v5", &uid)
}

// wantOnlyKept fails when uninstall left anything in the namespace but what it promises to keep.
func (c *cluster) wantOnlyKept(t *testing.T) {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: release + "-bucket",
	}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(claim), claim); err != nil {
		t.Errorf("uninstalled: %v", err)
	}
	for _, object := range render(t) {
		kind := object.GetObjectKind().GroupVersionKind().Kind
		switch kind {
		case "CustomResourceDefinition", "Processor", "PersistentVolumeClaim":
			continue
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
			t.Errorf("uninstalled, but %s %s is still there (%v)", kind, object.GetName(), err)
		}
	}
}
