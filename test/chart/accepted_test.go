package chart

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Kinds whose definitions other projects bring.
var foreignGroups = []string{"monitoring.coreos.com", "gateway.networking.k8s.io"}

// testAccepted sends every object of a chart with everything switched on to the API server, which knows every field.
func testAccepted(t *testing.T, c *cluster) {
	ensureNamespace(t, c, "everything", nil)
	strict := client.WithFieldValidation(c.Client, metav1.FieldValidationStrict)
	sent := 0
	for _, object := range render(t, "--values", "testdata/everything.yaml") {
		if slices.Contains(foreignGroups, object.GroupVersionKind().Group) {
			continue
		}
		if object.GetNamespace() != "" {
			object.SetNamespace("everything")
		}
		object.SetName("everything-" + object.GetName())
		if object.GetKind() == "CustomResourceDefinition" {
			continue // its name is given by its content; testRelease installs it
		}
		if err := strict.Create(t.Context(), object, client.DryRunAll); err != nil {
			t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
		}
		sent++
	}
	if sent < 30 {
		t.Errorf("only %d objects were rendered: is everything switched on?", sent)
	}
}

// testSamples sends what config/samples holds, as a reader of it would.
func testSamples(t *testing.T, c *cluster) {
	samples, err := filepath.Glob(repoRoot + "/config/samples/*.yaml")
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples (%v)", err)
	}
	strict := client.WithFieldValidation(c.Client, metav1.FieldValidationStrict)
	for _, path := range samples {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, object := range decode(t, file) {
			object.SetName("sample-" + object.GetName()) // the chart's brick is there already
			if err := strict.Create(t.Context(), object, client.DryRunAll); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// testRestricted makes each pod of the chart in a namespace that enforces the restricted Pod Security Standard.
func testRestricted(t *testing.T, c *cluster) {
	ensureNamespace(t, c, "restricted", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	pods := podsOf(t, render(t))
	if len(pods) != 3 {
		t.Fatalf("the chart has %d pods, want manager, gateway and test", len(pods))
	}
	for _, pod := range pods {
		pod.Namespace = "restricted"
		pod.Spec.ServiceAccountName = ""
		if err := c.Create(t.Context(), pod, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", pod.Name, err)
		}
		for _, container := range pod.Spec.Containers {
			if readOnly := container.SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
				t.Errorf("%s: the root filesystem can be written", pod.Name)
			}
		}
	}
}

// podsOf are the chart's pods, by themselves or as a Deployment makes them.
func podsOf(t *testing.T, objects []*unstructured.Unstructured) []*corev1.Pod {
	t.Helper()
	var pods []*corev1.Pod
	for _, object := range objects {
		switch object.GetKind() {
		case "Deployment":
			deployment := find[appsv1.Deployment](t, objects, "Deployment", object.GetName())
			pods = append(pods, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: deployment.Name, Labels: deployment.Spec.Template.Labels},
				Spec:       deployment.Spec.Template.Spec,
			})
		case "Pod":
			pods = append(pods, find[corev1.Pod](t, objects, "Pod", object.GetName()))
		}
	}
	return pods
}

func ensureNamespace(t *testing.T, c *cluster, name string, labels map[string]string) {
	t.Helper()
	err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	if err != nil {
		t.Fatal(err)
	}
}
