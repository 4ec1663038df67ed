// Package statemetrics_test holds the configuration for kube-state-metrics against the API that it reads.
package statemetrics_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// configuration has the fields of CustomResourceStateMetrics that we use; any other is an error.
type configuration struct {
	Kind string `yaml:"kind"`
	Spec struct {
		Resources []struct {
			GroupVersionKind struct {
				Group   string `yaml:"group"`
				Version string `yaml:"version"`
				Kind    string `yaml:"kind"`
			} `yaml:"groupVersionKind"`
			MetricNamePrefix string              `yaml:"metricNamePrefix"`
			LabelsFromPath   map[string][]string `yaml:"labelsFromPath"`
			Metrics          []metric            `yaml:"metrics"`
		} `yaml:"resources"`
	} `yaml:"spec"`
}

type metric struct {
	Name string `yaml:"name"`
	Help string `yaml:"help"`
	Each struct {
		Type string `yaml:"type"`
		Info *struct {
			LabelsFromPath map[string][]string `yaml:"labelsFromPath"`
		} `yaml:"info"`
		StateSet *struct {
			LabelName string   `yaml:"labelName"`
			Path      []string `yaml:"path"`
			List      []string `yaml:"list"`
		} `yaml:"stateSet"`
		Gauge *struct {
			Path      []string `yaml:"path"`
			NilIsZero bool     `yaml:"nilIsZero"`
		} `yaml:"gauge"`
	} `yaml:"each"`
}

func TestConfigurationFitsTheAPI(t *testing.T) {
	content, err := os.ReadFile("../../config/kube-state-metrics/custom-resource-state.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config configuration
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil {
		t.Fatal(err)
	}
	if config.Kind != "CustomResourceStateMetrics" || len(config.Spec.Resources) != 1 {
		t.Fatalf("kind %s with %d resources", config.Kind, len(config.Spec.Resources))
	}
	resource := config.Spec.Resources[0]
	gvk := resource.GroupVersionKind
	if gvk.Group != v1alpha1.GroupVersion.Group || gvk.Version != v1alpha1.GroupVersion.Version || gvk.Kind != "ProcessingJob" {
		t.Errorf("it is about %+v", gvk)
	}
	schema := jobSchema(t)
	for label, path := range resource.LabelsFromPath {
		mustExist(t, schema, label, path)
	}
	for _, m := range resource.Metrics {
		m.check(t, schema)
	}
}

func (m metric) check(t *testing.T, schema *apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	if m.Name == "" || m.Help == "" {
		t.Errorf("metric %q has no name or help", m.Name)
	}
	switch each := m.Each; {
	case each.Type == "Info" && each.Info != nil:
		for _, path := range each.Info.LabelsFromPath {
			mustExist(t, schema, m.Name, path)
		}
	case each.Type == "StateSet" && each.StateSet != nil:
		mustExist(t, schema, m.Name, each.StateSet.Path)
		phases := []string{
			string(v1alpha1.PhasePending), string(v1alpha1.PhaseRunning), string(v1alpha1.PhaseCompleted),
			string(v1alpha1.PhaseError), string(v1alpha1.PhaseTimeout),
		}
		if !slices.Equal(each.StateSet.List, phases) {
			t.Errorf("%s has the states %v, want %v", m.Name, each.StateSet.List, phases)
		}
	case each.Type == "Gauge" && each.Gauge != nil:
		mustExist(t, schema, m.Name, each.Gauge.Path)
	default:
		t.Errorf("%s has the type %q without its settings", m.Name, each.Type)
	}
}

// jobSchema is ProcessingJob's in the CustomResourceDefinition.
func jobSchema(t *testing.T) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	content, err := os.ReadFile("../../config/crd/processing.bricklayers.dev_processingjobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := kyaml.Unmarshal(content, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

func mustExist(t *testing.T, schema *apiextensionsv1.JSONSchemaProps, what string, path []string) {
	t.Helper()
	if len(path) == 2 && path[0] == "metadata" && slices.Contains([]string{"name", "namespace", "creationTimestamp"}, path[1]) {
		return
	}
	at := *schema
	for _, name := range path {
		next, found := at.Properties[name]
		if !found {
			t.Errorf("%s is taken from %s, which a ProcessingJob does not have", what, strings.Join(path, "."))
			return
		}
		at = next
	}
}
