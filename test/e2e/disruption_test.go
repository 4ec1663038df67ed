package e2e_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// TestEvicted: a drained node ends the pod, not the attempt.
func TestEvicted(t *testing.T) {
	require(t)
	if err := cluster.EnsureNamespace(t.Context(), "team-a"); err != nil {
		t.Fatal(err)
	}
	job := teamJob(t, "team-a", "hang")
	first := untilProcesses(t, job, "")
	if err := kube.SubResource("eviction").Create(t.Context(), first, &policyv1.Eviction{}); err != nil {
		t.Fatal(err)
	}
	untilProcesses(t, job, first.Name)
	stillFirstAttempt(t, job)
}

// TestPreempted: a pod of higher priority takes the place of one of ours. When it has gone, the job goes on in the same
// attempt.
func TestPreempted(t *testing.T) {
	require(t)
	if err := cluster.EnsureNamespace(t.Context(), "team-a"); err != nil {
		t.Fatal(err)
	}
	const seat corev1.ResourceName = "example.com/seat" // the node has one
	offer(t, seat)
	one := corev1.ResourceList{seat: resource.MustParse("1")}
	priority := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "urgent"}, Value: 1000}
	if err := kube.Create(t.Context(), priority); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	processor := &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "seated"},
		Spec: v1alpha1.ProcessorSpec{Container: v1alpha1.ProcessorContainer{Image: testImage, Args: []string{"hang"},
			Resources: corev1.ResourceRequirements{Requests: one, Limits: one}}},
	}
	if err := kube.Create(t.Context(), processor); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	job := teamJob(t, "team-a", "hang", func(j *v1alpha1.ProcessingJob) { j.Spec.Processor = processor.Name })
	first := untilProcesses(t, job, "")

	urgent := urgentPod(priority.Name, one)
	if err := kube.Create(t.Context(), urgent); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the urgent pod to have the seat", time.Minute, func(ctx context.Context) (bool, error) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(urgent), urgent)
		return urgent.Status.Phase == corev1.PodRunning, err
	})
	if err := kube.Delete(t.Context(), urgent, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	untilProcesses(t, job, first.Name)
	stillFirstAttempt(t, job)
}

// untilProcesses waits until the process of a job runs, in another pod than the one named, and returns its pod. At no
// moment may two pods of the job be alive.
func untilProcesses(t *testing.T, job *v1alpha1.ProcessingJob, not string) *corev1.Pod {
	t.Helper()
	var running *corev1.Pod
	eventually(t, "the process to run", 90*time.Second, func(ctx context.Context) (bool, error) {
		pods := &corev1.PodList{}
		err := kube.List(ctx, pods, client.InNamespace(job.Namespace), client.MatchingLabels{"processing.bricklayers.dev/job": job.Name})
		alive := 0
		for i := range pods.Items {
			pod := &pods.Items[i]
			if pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded {
				alive++
			}
			if s := pod.Status.InitContainerStatuses; len(s) == 2 && s[1].State.Running != nil && pod.Name != not {
				running = pod
			}
		}
		if alive > 1 {
			t.Fatalf("%d pods of one job are alive", alive)
		}
		return running != nil, err
	})
	return running
}

// stillFirstAttempt checks that what happened was no attempt, and removes the job.
func stillFirstAttempt(t *testing.T, job *v1alpha1.ProcessingJob) {
	t.Helper()
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(job), job); err != nil {
		t.Fatal(err)
	}
	if job.Status.Attempts != 1 || job.Status.Phase != v1alpha1.PhaseRunning {
		t.Errorf("the job is %s in attempt %d", job.Status.Phase, job.Status.Attempts)
	}
	if err := kube.Delete(t.Context(), job); err != nil {
		t.Fatal(err)
	}
}

// offer gives the node one of a resource that is none of its own, so that nothing else competes for it.
func offer(t *testing.T, what corev1.ResourceName) {
	t.Helper()
	nodes := &corev1.NodeList{}
	if err := kube.List(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	at := &nodes.Items[0]
	before := at.DeepCopy()
	at.Status.Capacity[what] = resource.MustParse("1")
	if err := kube.Status().Patch(t.Context(), at, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node to offer "+string(what), time.Minute, func(ctx context.Context) (bool, error) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(at), at)
		return at.Status.Allocatable.Name(what, resource.DecimalSI).Value() == 1, err
	})
}

func urgentPod(priority string, resources corev1.ResourceList) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", GenerateName: "urgent-"},
		Spec: corev1.PodSpec{
			PriorityClassName: priority,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](65532),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "hang", Image: testImage, Args: []string{"hang"},
				Resources: corev1.ResourceRequirements{Requests: resources, Limits: resources},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr.To(false),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
}
