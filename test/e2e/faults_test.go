package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func TestUploadsThatAreRefused(t *testing.T) {
	require(t)
	tiny := behaving(t, "copy", func(s *v1alpha1.ProcessorSpec) {
		s.Accepts = v1alpha1.Accepts{MaxSize: ptr.To(resource.MustParse("1Ki"))}
	})
	for _, c := range []struct {
		name   string
		form   form
		status int
		says   string
	}{
		{"no file field", form{fields: map[string]string{"processor": "brick"}}, http.StatusBadRequest, "file"},
		{"empty file", form{file: "part.gcode"}, http.StatusBadRequest, "empty"},
		{"wrong extension", form{file: "part.exe", content: []byte("MZ")}, http.StatusUnsupportedMediaType, "exe"},
		{"junk", form{file: "part.gcode", content: []byte(strings.Repeat("hello world\n", 500))}, http.StatusUnprocessableEntity, ""},
		{"unknown processor", form{file: "part.gcode", content: []byte("G1"), fields: map[string]string{"processor": "nosuch"}},
			http.StatusNotFound, "nosuch"},
		{"parameter out of bounds", form{file: "part.gcode", content: []byte("G1"),
			fields: map[string]string{"parameters[multiplier]": "9"}}, http.StatusBadRequest, "multiplier"},
		{"unknown parameter", form{file: "part.gcode", content: []byte("G1"),
			fields: map[string]string{"parameters[colour]": "red"}}, http.StatusBadRequest, "colour"},
		{"too large", form{file: "part.bin", content: bytes.Repeat([]byte("x"), 5000), fields: map[string]string{"processor": tiny}},
			http.StatusRequestEntityTooLarge, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, a := c.form.post(t)
			if status != c.status || a.Reason == "" || !strings.Contains(a.Detail, c.says) {
				t.Errorf("answered %d %+v, want %d and %q", status, a, c.status, c.says)
			}
		})
	}
}

func TestUnknownJob(t *testing.T) {
	require(t)
	for _, path := range []string{"/api/v1/status/nosuchjob", "/api/v1/download/nosuchjob"} {
		if status, a := do(t, get(t, path)); status != http.StatusNotFound || a.Reason == "" {
			t.Errorf("%s answered %d %+v", path, status, a)
		}
	}
}

func TestProcessorThatRejectsTheInput(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "input-at-fault"))
	if done := untilStatus(t, id, "Error"); done.Reason != v1alpha1.ReasonInputRejected || !strings.Contains(done.Message, "wrong_shape") {
		t.Errorf("ended as %+v", done)
	}
	if status, a := do(t, get(t, "/api/v1/download/"+id)); status != http.StatusConflict {
		t.Errorf("the download answered %d %+v", status, a)
	}
}

func TestProcessorThatFails(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "fail", func(s *v1alpha1.ProcessorSpec) { s.Defaults.Retries = ptr.To[int32](1) }))
	if done := untilStatus(t, id, "Error"); done.Reason != v1alpha1.ReasonProcessorFailed || !strings.Contains(done.Message, "it always fails") {
		t.Errorf("ended as %+v", done)
	}
	if job := jobNamed(t, id); job.Status.Attempts != 2 || ptr.Deref(job.Status.ExitCode, 0) != 1 {
		t.Errorf("status %+v", job.Status)
	}
}

func TestProcessorThatLeavesNothing(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "nothing", func(s *v1alpha1.ProcessorSpec) { s.Defaults.Retries = ptr.To[int32](0) }))
	if done := untilStatus(t, id, "Error"); done.Reason != v1alpha1.ReasonStoreFailed {
		t.Errorf("ended as %+v", done)
	}
}

func TestProcessorThatNeverEnds(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "hang", func(s *v1alpha1.ProcessorSpec) { s.Defaults.TimeoutSeconds = 4 }))
	if status, a := do(t, get(t, "/api/v1/download/"+id)); status != http.StatusConflict {
		t.Errorf("downloading before the end answered %d %+v", status, a)
	}
	if done := untilStatus(t, id, "Timeout"); done.Reason != v1alpha1.ReasonDeadlineExceeded {
		t.Errorf("ended as %+v", done)
	}
	noPodsLeft(t, id)
}

func TestImageThatDoesNotExist(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "copy", func(s *v1alpha1.ProcessorSpec) {
		s.Container.Image = "registry.invalid/nothing:1"
		s.Defaults.PendingTimeoutSeconds = 15
	}))
	eventually(t, "the reason to be told", 30*time.Second, func(context.Context) (bool, error) {
		_, a := do(t, get(t, "/api/v1/status/"+id))
		return a.Reason == v1alpha1.ReasonImagePull && strings.Contains(a.Message, "registry.invalid"), nil
	})
	if done := untilStatus(t, id, "Timeout"); done.Reason != v1alpha1.ReasonNotStarted {
		t.Errorf("ended as %+v", done)
	}
	noPodsLeft(t, id)
}

func TestOutOfMemoryIsRetriedWithMore(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "eat-memory", func(s *v1alpha1.ProcessorSpec) {
		s.Container.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
		s.Limits.MaxMemory = ptr.To(resource.MustParse("256Mi"))
		s.Defaults.Retries = ptr.To[int32](2)
	}))
	untilStatus(t, id, "Completed")
	if job := jobNamed(t, id); job.Status.Attempts < 2 {
		t.Errorf("it took %d attempts, the first should have run out of memory", job.Status.Attempts)
	}
}

func TestPodDeletedMidRun(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "hang", func(s *v1alpha1.ProcessorSpec) {
		s.Defaults.TimeoutSeconds = 20
		s.Defaults.Retries = ptr.To[int32](1)
	}))
	job := jobNamed(t, id)
	eventually(t, "the process to run", time.Minute, func(ctx context.Context) (bool, error) { return started(ctx, job) })
	err := kube.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace(namespace), client.MatchingLabels{"processing.bricklayers.dev/job": id})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "another attempt", time.Minute, func(context.Context) (bool, error) {
		return jobNamed(t, id).Status.Attempts == 2, nil
	})
	untilStatus(t, id, "Timeout")
}

// TestCancelled: deleting a job over HTTP stops it.
func TestCancelled(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "hang"))
	untilStatus(t, id, "Running")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, gatewayURL+"/api/v1/jobs/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, body := raw(t, request); status != http.StatusNoContent {
		t.Fatalf("the deletion answered %d %s", status, body)
	}
	eventually(t, "the job to be gone", 10*time.Second, func(context.Context) (bool, error) {
		status, _ := do(t, get(t, "/api/v1/status/"+id))
		return status == http.StatusNotFound, nil
	})
	noPodsLeft(t, id)
}

// TestGatewayRestartedBetweenUploadAndFetch: the bytes and the job are durable when the upload is answered.
func TestGatewayRestartedBetweenUploadAndFetch(t *testing.T) {
	require(t)
	processor := behaving(t, "copy")
	id := upload(t, form{file: "a.bin", content: []byte("precious"), fields: map[string]string{"processor": processor}})
	for _, pod := range podsOf(t, "bricklayers-gateway") {
		if err := kube.Delete(t.Context(), &pod, client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the job to complete", 2*time.Minute, func(context.Context) (bool, error) {
		return jobNamed(t, id).Status.Phase == v1alpha1.PhaseCompleted, nil
	})
	eventually(t, "the gateway to be back", time.Minute, func(ctx context.Context) (bool, error) {
		gateway := &appsv1.Deployment{}
		err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bricklayers-gateway"}, gateway)
		return gateway.Status.ReadyReplicas > 0, err
	})
	if status, _, result := raw(t, get(t, "/api/v1/download/"+id)); status != http.StatusOK || string(result) != "precious" {
		t.Errorf("the download answered %d %q", status, result)
	}
}

// TestProcessSeesNothingElse: the process has its input, its output folder and its parameters, and nothing to gain. (The
// kubelet tells every container the API server's address in KUBERNETES_*; without a token that is of no use.)
func TestProcessSeesNothingElse(t *testing.T) {
	require(t)
	id := send(t, behaving(t, "inspect", func(s *v1alpha1.ProcessorSpec) {
		s.Parameters = []v1alpha1.Parameter{{Name: "startLayer", Type: v1alpha1.ParameterInteger, Default: ptr.To("2")}}
	}))
	untilStatus(t, id, "Completed")
	_, _, body := raw(t, get(t, "/api/v1/download/"+id))
	report := string(body)
	for _, want := range []string{"env INPUT_FILE=/data/in/a.bin\n", "env OUTPUT_DIR=/data/out\n", "env PARAM_START_LAYER=2\n", "uid 65532\n"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, bad := range []string{"token", "writable", "BRICKLAYERS_"} {
		if strings.Contains(report, bad) {
			t.Errorf("the report has %q", bad)
		}
	}
	if t.Failed() {
		t.Log(report)
	}
}

// behaving makes a Processor of the test image.
func behaving(t *testing.T, how string, change ...func(*v1alpha1.ProcessorSpec)) string {
	t.Helper()
	p := &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: how + "-"},
		Spec:       v1alpha1.ProcessorSpec{Container: v1alpha1.ProcessorContainer{Image: testImage, Args: []string{how}}},
	}
	for _, c := range change {
		c(&p.Spec)
	}
	if err := kube.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Delete(context.Background(), p); err != nil {
			t.Error(err)
		}
	})
	// The gateway knows a Processor as soon as its watch does.
	eventually(t, "the gateway to know the processor", 10*time.Second, func(context.Context) (bool, error) {
		status, _ := form{fields: map[string]string{"processor": p.Name}}.post(t)
		return status != http.StatusNotFound, nil
	})
	return p.Name
}

func send(t *testing.T, processor string) string {
	t.Helper()
	return upload(t, form{file: "a.bin", content: []byte("some bytes"), fields: map[string]string{"processor": processor}})
}

func jobNamed(t *testing.T, name string) *v1alpha1.ProcessingJob {
	t.Helper()
	job := &v1alpha1.ProcessingJob{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, job); err != nil {
		t.Fatal(err)
	}
	return job
}

func noPodsLeft(t *testing.T, id string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the pods of %s to be gone", id), time.Minute, func(ctx context.Context) (bool, error) {
		pods := &corev1.PodList{}
		err := kube.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabels{"processing.bricklayers.dev/job": id})
		return len(pods.Items) == 0, err
	})
}
