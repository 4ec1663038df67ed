// Package api_test checks what the API server itself refuses and fills in, by the rules written in api/.
package api_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"
)

var running *controlplane.ControlPlane

func TestMain(m *testing.M) { os.Exit(controlplane.Main(m, &running)) }

// object reads a manifest as a person would write it, so that fields left out really are.
func object(t *testing.T, kind, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	manifest := fmt.Sprintf("apiVersion: processing.bricklayers.dev/v1alpha1\nkind: %s\nmetadata: {name: %s}\nspec: %s",
		kind, name, spec)
	if err := yaml.Unmarshal([]byte(manifest), &o.Object); err != nil {
		t.Fatal(err)
	}
	o.SetNamespace(namespace)
	return o
}

const someDigest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestProcessingJobValidation(t *testing.T) {
	cp := controlplane.Require(t, running)
	namespace := cp.Namespace(t)
	for _, c := range []struct {
		name, jobName, spec, refusedFor string
	}{
		{name: "url", spec: `{processor: brick, input: {url: "https://example.com/a.gcode"}}`},
		{name: "upload", spec: `{processor: brick, input: {upload: {name: a.gcode, size: 1, sha256: ` + someDigest + `}}}`},
		{name: "configMap", spec: `{processor: brick, input: {configMap: {name: c, key: a.gcode}}, parameters: {multiplier: "1.1"}}`},
		{name: "claim", spec: `{processor: brick, input: {persistentVolumeClaim: {claimName: c, path: prints/a.gcode}}}`},
		{name: "longest name", jobName: strings.Repeat("a", 52), spec: `{processor: brick, input: {url: "https://example.com/a"}}`},

		{name: "name too long", jobName: strings.Repeat("a", 53), spec: `{processor: brick, input: {url: "https://example.com/a"}}`,
			refusedFor: "no more than 52 characters"},
		{name: "no processor", spec: `{input: {url: "https://example.com/a"}}`, refusedFor: "spec.processor: Required value"},
		{name: "no input", spec: `{processor: brick}`, refusedFor: "spec.input: Required value"},
		{name: "empty input", spec: `{processor: brick, input: {}}`, refusedFor: "exactly one of upload, url, configMap"},
		{name: "two inputs", spec: `{processor: brick, input: {url: "https://example.com/a", configMap: {name: c, key: a}}}`,
			refusedFor: "exactly one of upload, url, configMap"},
		{name: "http", spec: `{processor: brick, input: {url: "http://example.com/a"}}`, refusedFor: "absolute https:// address"},
		{name: "not a url", spec: `{processor: brick, input: {url: "benchy.gcode"}}`, refusedFor: "absolute https:// address"},
		{name: "path out of the volume", spec: `{processor: brick, input: {persistentVolumeClaim: {claimName: c, path: a/../../b}}}`,
			refusedFor: "relative to the volume's root"},
		{name: "absolute path", spec: `{processor: brick, input: {persistentVolumeClaim: {claimName: c, path: /etc/passwd}}}`,
			refusedFor: "relative to the volume's root"},
		{name: "file name with a slash", spec: `{processor: brick, input: {configMap: {name: c, key: a/b}}}`, refusedFor: "should match"},
		{name: "hidden file name", spec: `{processor: brick, input: {configMap: {name: c, key: .a}}}`, refusedFor: "should match"},
		{name: "bad digest", spec: `{processor: brick, input: {upload: {name: a, size: 1, sha256: 12}}}`, refusedFor: "sha256"},
		{name: "zero timeout", spec: `{processor: brick, timeoutSeconds: 0, input: {url: "https://example.com/a"}}`,
			refusedFor: "greater than or equal to 1"},
		{name: "negative retries", spec: `{processor: brick, retries: -1, input: {url: "https://example.com/a"}}`,
			refusedFor: "greater than or equal to 0"},
		{name: "typo", spec: `{processor: brick, prioritty: 1, input: {url: "https://example.com/a"}}`, refusedFor: "unknown field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.jobName == "" {
				c.jobName = strings.ReplaceAll(strings.ToLower(c.name), " ", "-")
			}
			err := cp.Client.Create(t.Context(), object(t, "ProcessingJob", namespace, c.jobName, c.spec),
				client.FieldValidation("Strict"))
			checkRefused(t, err, c.refusedFor)
		})
	}
}

func checkRefused(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("answered %v, want a refusal that says %q", err, want)
	}
}

func TestWaitingJobReadsAsPendingWithoutAWrite(t *testing.T) {
	cp := controlplane.Require(t, running)
	job := object(t, "ProcessingJob", cp.Namespace(t), "j", `{processor: brick, input: {url: "https://example.com/a"}}`)
	if err := cp.Client.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	got := &v1alpha1.ProcessingJob{}
	if err := cp.Client.Get(t.Context(), client.ObjectKeyFromObject(job), got); err != nil {
		t.Fatal(err)
	}
	if got.Status.Phase != v1alpha1.PhasePending || got.Status.Reason != v1alpha1.ReasonQueued ||
		got.ResourceVersion != job.GetResourceVersion() || ptr.Deref(got.Spec.Priority, -1) != 0 {
		t.Errorf("got %+v %+v", got.Spec, got.Status)
	}
}

func TestSpecIsImmutableButForThree(t *testing.T) {
	cp := controlplane.Require(t, running)
	namespace := cp.Namespace(t)
	job := object(t, "ProcessingJob", namespace, "j",
		`{processor: brick, input: {url: "https://example.com/a"}, parameters: {multiplier: "1.1"}, timeoutSeconds: 5}`)
	if err := cp.Client.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ patch, refusedFor string }{
		{`{"priority": 7}`, ""},
		{`{"suspend": true}`, ""},
		{`{"ttlSecondsAfterFinished": 60}`, ""},
		{`{"processor": "other"}`, "spec.processor cannot change"},
		{`{"parameters": {"multiplier": "1.2"}}`, "spec.parameters cannot change"},
		{`{"parameters": null}`, "spec.parameters cannot change"},
		{`{"input": {"url": "https://example.com/b"}}`, "spec.input cannot change"},
		{`{"timeoutSeconds": 6}`, "spec.timeoutSeconds cannot change"},
		{`{"timeoutSeconds": null}`, "spec.timeoutSeconds cannot change"},
		{`{"pendingTimeoutSeconds": 6}`, "spec.pendingTimeoutSeconds cannot change"},
		{`{"retries": 6}`, "spec.retries cannot change"},
	} {
		err := cp.Client.Patch(t.Context(), job.DeepCopy(),
			client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+c.patch+`}`)))
		t.Run(c.patch, func(t *testing.T) { checkRefused(t, err, c.refusedFor) })
	}
}

func TestProcessorValidation(t *testing.T) {
	cp := controlplane.Require(t, running)
	namespace := cp.Namespace(t)
	for i, c := range []struct{ spec, refusedFor string }{
		{`{container: {image: x}}`, ""},
		{`{container: {image: x}, parameters: [{name: startLayer, type: Integer, default: "2", minimum: "2"}]}`, ""},
		{`{container: {image: x}, parameters: [{name: order, type: Enum, values: [a, b], default: a}]}`, ""},
		{`{}`, "spec.container: Required value"},
		{`{container: {image: x}, parameters: [{name: order, type: Enum}]}`, "type Enum, which needs it"},
		{`{container: {image: x}, parameters: [{name: order, type: Enum, values: [a], default: c}]}`, "default must be one of values"},
		{`{container: {image: x}, parameters: [{name: a, type: String, minimum: "1"}]}`, "belong to types Number and Integer"},
		{`{container: {image: x}, parameters: [{name: a, type: Number, pattern: x}]}`, "pattern belongs to type String"},
		{`{container: {image: x}, parameters: [{name: a, type: Number, minimum: "2", maximum: "1.5"}]}`, "minimum must not be above maximum"},
		{`{container: {image: x}, parameters: [{name: a, type: Number, minimum: "-1", maximum: "1.5", default: "-0.5"}]}`, ""},
		{`{container: {image: x}, parameters: [{name: a, type: Integer, default: "1.5"}]}`, "default must be a whole number"},
		{`{container: {image: x}, parameters: [{name: a, type: Number, default: "1,5"}]}`, "default must be a number"},
		{`{container: {image: x}, parameters: [{name: a, type: Boolean, default: "yes"}]}`, "default must be true or false"},
		{`{container: {image: x}, parameters: [{name: a, type: Integer, minimum: "2", default: "1"}]}`, "default must not be below minimum"},
		{`{container: {image: x}, parameters: [{name: a, type: Integer, maximum: "2", default: "3"}]}`, "default must not be above maximum"},
		{`{container: {image: x}, parameters: [{name: a, type: String, pattern: "[a-"}]}`, "regular expression"},
		{`{container: {image: x}, parameters: [{name: a, type: String, pattern: "[a-z]+", default: b}]}`, ""},
		{`{container: {image: x}, parameters: [{name: A, type: Number}]}`, "should match"},
		{`{container: {image: x}, parameters: [{name: a, type: Number}, {name: a, type: Number}]}`, "Duplicate value"},
		{`{container: {image: x, env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}`, "never holds a credential"},
		{`{container: {image: x}, accepts: {formats: [".gcode"]}}`, "should match"},
		{`{container: {image: x}, pod: {runAsUser: 0}}`, "greater than or equal to 1"},
	} {
		t.Run(c.spec, func(t *testing.T) {
			err := cp.Client.Create(t.Context(), object(t, "Processor", namespace, fmt.Sprintf("p%d", i), c.spec),
				client.FieldValidation("Strict"))
			checkRefused(t, err, c.refusedFor)
		})
	}
	err := cp.Client.Create(t.Context(), object(t, "Processor", namespace, "a.b", `{container: {image: x}}`))
	checkRefused(t, err, "must be a DNS label")
}

// TestDefaultsAgree: the markers in processor_types.go and the constants beside them say the same.
func TestDefaultsAgree(t *testing.T) {
	cp := controlplane.Require(t, running)
	p := &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: cp.Namespace(t), Name: "p"},
		Spec:       v1alpha1.ProcessorSpec{Container: v1alpha1.ProcessorContainer{Image: "x"}},
	}
	if err := cp.Client.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	d := p.Spec.Defaults
	if d.TimeoutSeconds != v1alpha1.DefaultTimeoutSeconds || d.PendingTimeoutSeconds != v1alpha1.DefaultPendingTimeoutSeconds ||
		ptr.Deref(d.Retries, -1) != v1alpha1.DefaultRetries ||
		ptr.Deref(d.TTLSecondsAfterFinished, -1) != v1alpha1.DefaultTTLSecondsAfterFinished {
		t.Errorf("the API server fills in %+v", d)
	}
}

// TestSelectableFields: `kubectl get pj --field-selector status.phase=Pending` works.
func TestSelectableFields(t *testing.T) {
	cp := controlplane.Require(t, running)
	namespace := cp.Namespace(t)
	for _, processor := range []string{"a", "b"} {
		job := object(t, "ProcessingJob", namespace, "j"+processor, `{processor: `+processor+`, input: {url: "https://example.com/a"}}`)
		if err := cp.Client.Create(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	list := &v1alpha1.ProcessingJobList{}
	err := cp.Client.List(t.Context(), list, client.InNamespace(namespace), client.MatchingFields{"spec.processor": "a"})
	if err != nil || len(list.Items) != 1 || list.Items[0].Name != "ja" {
		t.Errorf("selected %d jobs, error %v", len(list.Items), err)
	}
	if err := cp.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "jc"}, &v1alpha1.ProcessingJob{}); !apierrors.IsNotFound(err) {
		t.Errorf("a job that was never made: %v", err)
	}
}
