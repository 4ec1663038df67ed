// Package chart tests the Helm chart with the real helm: what it renders, what an API server says to it, and that the
// kustomize manifests are the same objects.
package chart

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	repoRoot  = "../.."
	chartPath = repoRoot + "/charts/bricklayers"
	namespace = "bricklayers-system"
	release   = "bricklayers"
)

// tool is the path of a program below bin/. Tests that need one which is not built are skipped by name.
func tool(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.Join(repoRoot, "bin", path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(abs); err != nil {
		t.Skipf("bin/%s is not built: %v", path, err)
	}
	if err := touchInputs(); err != nil {
		t.Fatal(err)
	}
	return abs
}

// touchInputs looks at every file that helm and kubectl will read. go test sees what this process looks at, not what
// they do, and would answer from its cache after a change of the chart.
var touchInputs = sync.OnceValue(func() error {
	for _, root := range []string{chartPath, repoRoot + "/config"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
})

// runHelm runs helm with a home of its own, so that no plugin or setting of the machine takes part.
func runHelm(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "helm"), args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir()}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), errors.New(strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// render is the chart's objects as helm template prints them.
func render(t *testing.T, args ...string) []*unstructured.Unstructured {
	t.Helper()
	out, err := template(t, args...)
	if err != nil {
		t.Fatalf("helm template: %v", err)
	}
	return decode(t, strings.NewReader(out))
}

func template(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return runHelm(t, nil, append([]string{"template", release, chartPath, "--namespace", namespace}, args...)...)
}

func decode(t *testing.T, r io.Reader) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(r, 4096)
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("decode manifest: %v", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, &object)
		}
	}
}

// find decodes the one object of that kind and name into T.
func find[T any](t *testing.T, objects []*unstructured.Unstructured, kind, name string) *T {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() != kind || object.GetName() != name {
			continue
		}
		typed := new(T)
		err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, true)
		if err != nil {
			t.Fatalf("%s %s: %v", kind, name, err)
		}
		return typed
	}
	t.Fatalf("no %s %s among the %d objects", kind, name, len(objects))
	return nil
}

// absent fails when there is an object of that kind and name.
func absent(t *testing.T, objects []*unstructured.Unstructured, kind, name string) {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			t.Errorf("%s %s is rendered", kind, name)
		}
	}
}
