package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestNotStarted(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
	noImage := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}}
	ended := func(code int32, message string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message}}
	}
	for _, test := range []struct {
		name           string
		fetch, process corev1.ContainerState
		want           string
	}{
		{"no state yet", corev1.ContainerState{}, corev1.ContainerState{}, "the pod is Pending"},
		{"the input is fetched", running, waiting, "fetch still runs"},
		{"the input is not there", ended(65, "404"), waiting, "fetch failed: 404"},
		{"no image", ended(0, ""), noImage, "ErrImagePull: no such image"},
		{"runs", ended(0, ""), running, ""},
		{"has failed", ended(0, ""), ended(1, "oh"), ""},
	} {
		pod := &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, InitContainerStatuses: []corev1.ContainerStatus{
			{Name: "fetch", State: test.fetch}, {Name: "process", State: test.process},
		}}}
		if got := notStarted(pod, "process"); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCopyLogTakesLinesOfAnyLength(t *testing.T) {
	long := strings.Repeat("x", 2<<20)
	var got bytes.Buffer
	if err := copyLog(&got, io.NopCloser(strings.NewReader("a\n"+long+"\nend")), "[p] "); err != nil {
		t.Fatal(err)
	}
	if want := "[p] a\n[p] " + long + "\n[p] end\n"; got.String() != want {
		t.Errorf("%d bytes were copied, want %d", got.Len(), len(want))
	}
}
