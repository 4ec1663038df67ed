package chart

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestKustomizeRendersTheChart compares what kustomize makes of config/ with what helm makes of the chart, object by
// object, but for the labels and annotations that only mean something to Helm.
func TestKustomizeRendersTheChart(t *testing.T) {
	fromChart := byIdentity(render(t, "--skip-tests",
		"--set", "monitoring.dashboards.enabled=true,monitoring.serviceMonitor.enabled=true",
		"--set", "monitoring.prometheusRule.enabled=true",
		"--api-versions", "processing.bricklayers.dev/v1alpha1/Processor"))
	fromKustomize := byIdentity(kustomize(t))

	for identity, object := range fromChart {
		other, ok := fromKustomize[identity]
		if !ok {
			t.Errorf("%s is in the chart only", identity)
			continue
		}
		if !equality.Semantic.DeepEqual(object.Object, other.Object) {
			t.Errorf("%s differs: run make generate\nchart:\n%s\nkustomize:\n%s", identity, dump(t, object), dump(t, other))
		}
	}
	for identity := range fromKustomize {
		// Helm makes the namespace with --create-namespace.
		if _, ok := fromChart[identity]; !ok && identity != "Namespace /"+namespace {
			t.Errorf("%s is in config only", identity)
		}
	}
}

// kustomize is everything that config/ can install, each part through its kustomization.
func kustomize(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	kubectl := tool(t, "kubectl")
	var objects []*unstructured.Unstructured
	for _, folder := range []string{"default", "prometheus", "grafana"} {
		path := filepath.Join(repoRoot, "config", folder)
		if _, err := os.Stat(path); os.IsNotExist(err) {
			continue // the chart may have no dashboards; if it has, they are then missed by the comparison
		}
		out, err := exec.CommandContext(t.Context(), kubectl, "kustomize", path).Output()
		if err != nil {
			t.Fatalf("kubectl kustomize %s: %v", path, err)
		}
		objects = append(objects, decode(t, bytes.NewReader(out))...)
	}
	processor, err := os.Open(filepath.Join(repoRoot, "config/samples/processor_brick.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer processor.Close()
	return append(objects, decode(t, processor)...)
}

func byIdentity(objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	found := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		normalise(object)
		found[fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())] = object
	}
	return found
}

// normalise removes what Helm alone reads. controller-gen's definitions carry no labels of ours, so theirs go too.
func normalise(object *unstructured.Unstructured) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	for _, key := range slices.Collect(maps.Keys(labels)) {
		if strings.HasPrefix(key, "helm.sh/") || key == "app.kubernetes.io/managed-by" {
			delete(labels, key)
		}
	}
	for _, key := range slices.Collect(maps.Keys(annotations)) {
		if strings.HasPrefix(key, "helm.sh/") {
			delete(annotations, key)
		}
	}
	if object.GetKind() == "CustomResourceDefinition" {
		labels = nil
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
	if len(annotations) == 0 {
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations")
	}
}

func dump(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	out, err := yaml.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
