package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

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

// TestCluster is what an API server says to the chart. Its parts share one, and build on one another.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *cluster)
	}{
		{"a release from install to uninstall", testRelease},
		{"a new field of Processor is used in the upgrade that brings it", testNewField},
		{"the definitions are left to somebody else, and taken back", testDefinitionsElsewhere},
		{"a mistyped field of a Processor is refused", testMistypedField},
		{"a second release, of one namespace", testSecondRelease},
		{"every object is accepted", testAccepted},
		{"every sample is accepted", testSamples},
		{"pods meet the restricted standard", testRestricted},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(t, c) }) {
			return
		}
	}
}

// testRelease follows one release from an empty cluster through upgrade and rollback to uninstall. The Processor is of
// a kind that the same release defines; jobs may wait for it at any time, so it must never be missing in between.
func testRelease(t *testing.T, c *cluster) {
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

// testNewField upgrades to a chart whose definition of Processor has one field more, which its Processor uses at once.
func testNewField(t *testing.T, c *cluster) {
	next := filepath.Join(t.TempDir(), "bricklayers")
	if err := os.CopyFS(next, os.DirFS(chartPath)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(next, "files/crds/processing.bricklayers.dev_processors.yaml")
	crd, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const before = "              description:\n"
	field := "              novelty:\n                type: string\n" + before
	if err := os.WriteFile(path, []byte(strings.Replace(string(crd), before, field, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.helm(t, "upgrade", release, next, "--set", "processors.brick.spec.novelty=yes")
}

// testDefinitionsElsewhere: a release that stops bringing the definitions does not take them away.
func testDefinitionsElsewhere(t *testing.T, c *cluster) {
	apply := exec.CommandContext(t.Context(), tool(t, "kubectl"), "--kubeconfig", c.kubeconfig,
		"apply", "--server-side", "--force-conflicts", "-f", chartPath+"/files/crds")
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
	brick := client.ObjectKey{Namespace: namespace, Name: "brick"}
	for _, enabled := range []string{"false", "true"} {
		c.helm(t, "upgrade", release, chartPath, "--reset-values", "--set", "crds.enabled="+enabled)
		if err := c.Get(t.Context(), brick, &v1alpha1.Processor{}); err != nil {
			t.Errorf("crds.enabled=%s: %v", enabled, err)
		}
	}
}

func testMistypedField(t *testing.T, c *cluster) {
	out, err := c.tryHelm(t, "upgrade", release, chartPath, "--set", "processors.brick.spec.container.imagee=x")
	if err == nil || !strings.Contains(err.Error(), "imagee") {
		t.Fatalf("upgraded with a mistyped field: %v\n%s", err, out)
	}
	c.helm(t, "upgrade", release, chartPath, "--reset-values")
}

// testSecondRelease installs a release of the same name in a namespace of its own.
func testSecondRelease(t *testing.T, c *cluster) {
	c.helm(t, "install", release, chartPath, "--namespace", "tenant", "--create-namespace",
		"--set", "crds.enabled=false,watchNamespace=tenant")
}
