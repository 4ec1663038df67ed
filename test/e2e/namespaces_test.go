package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// TestAnotherNamespace: an installation for all namespaces runs the jobs of one that enforces the restricted Pod Security
// Standard and knows nothing of the release, from suspension to retention.
func TestAnotherNamespace(t *testing.T) {
	require(t)
	const team = "team-a"
	if err := cluster.EnsureNamespace(t.Context(), team); err != nil {
		t.Fatal(err)
	}
	job := teamJob(t, team, "hang")
	eventually(t, "the pod to run", time.Minute, func(ctx context.Context) (bool, error) {
		return started(ctx, job)
	})
	suspend := func(value bool, want v1alpha1.Phase) {
		t.Helper()
		patch := client.MergeFrom(job.DeepCopy())
		job.Spec.Suspend = ptr.To(value)
		if err := kube.Patch(t.Context(), job, patch); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the job to be "+string(want), time.Minute, func(ctx context.Context) (bool, error) {
			err := kube.Get(ctx, client.ObjectKeyFromObject(job), job)
			return job.Status.Phase == want, err
		})
	}
	suspend(true, v1alpha1.PhasePending)
	suspend(false, v1alpha1.PhaseRunning)
	if err := kube.Delete(t.Context(), job); err != nil {
		t.Fatal(err)
	}

	kept := teamJob(t, team, "copy")
	eventually(t, "the job to complete", time.Minute, func(ctx context.Context) (bool, error) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(kept), kept)
		return kept.Status.Phase == v1alpha1.PhaseCompleted, err
	})
	expiring := teamJob(t, team, "copy", func(j *v1alpha1.ProcessingJob) { j.Spec.TTLSecondsAfterFinished = ptr.To[int32](0) })
	eventually(t, "the job to expire", time.Minute, func(ctx context.Context) (bool, error) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(expiring), expiring)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

// TestRestrictedIsEnforced: the namespaces of these tests refuse what the restricted Pod Security Standard does, so that
// every pod of the product that runs in them meets it.
func TestRestrictedIsEnforced(t *testing.T) {
	require(t)
	for _, where := range []string{namespace, "team-a"} {
		if err := cluster.EnsureNamespace(t.Context(), where); err != nil {
			t.Fatal(err)
		}
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: where, Name: "careless"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "copy", Image: testImage, Args: []string{"copy"}}}},
		}
		if err := kube.Create(t.Context(), pod); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "restricted") {
			t.Errorf("%s took a pod without a security context: %v", where, err)
		}
	}
}

// TestQuotaIsTold: a job says what the quota of its namespace keeps it from, which only an event of the Job tells.
func TestQuotaIsTold(t *testing.T) {
	require(t)
	const team = "team-b"
	if err := cluster.EnsureNamespace(t.Context(), team); err != nil {
		t.Fatal(err)
	}
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: "no-pods"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	}
	if err := kube.Create(t.Context(), quota); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	job := teamJob(t, team, "copy")
	eventually(t, "the quota to be named", time.Minute, func(ctx context.Context) (bool, error) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(job), job)
		return job.Status.Reason == v1alpha1.ReasonPodNotCreated && strings.Contains(job.Status.Message, quota.Name), err
	})
	if err := kube.Delete(t.Context(), job); err != nil {
		t.Fatal(err)
	}
}

// teamJob makes a job with a Processor and an input in a namespace.
func teamJob(t *testing.T, namespace, how string, change ...func(*v1alpha1.ProcessingJob)) *v1alpha1.ProcessingJob {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: how}
	for _, object := range []client.Object{
		&v1alpha1.Processor{ObjectMeta: meta,
			Spec: v1alpha1.ProcessorSpec{Container: v1alpha1.ProcessorContainer{Image: testImage, Args: []string{how}}}},
		&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"a.bin": "some bytes"}},
	} {
		if err := kube.Create(t.Context(), object); client.IgnoreAlreadyExists(err) != nil {
			t.Fatal(err)
		}
	}
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: how + "-"},
		Spec: v1alpha1.ProcessingJobSpec{
			Processor: how, Input: v1alpha1.Input{ConfigMap: &v1alpha1.ConfigMapInput{Name: how, Key: "a.bin"}},
		},
	}
	for _, c := range change {
		c(job)
	}
	if err := kube.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	return job
}

// started tells whether the process of a job runs.
func started(ctx context.Context, job *v1alpha1.ProcessingJob) (bool, error) {
	pods := &corev1.PodList{}
	err := kube.List(ctx, pods, client.InNamespace(job.Namespace), client.MatchingLabels{"processing.bricklayers.dev/job": job.Name})
	return len(pods.Items) == 1 && len(pods.Items[0].Status.InitContainerStatuses) == 2 &&
		pods.Items[0].Status.InitContainerStatuses[1].State.Running != nil, err
}

// TestLeaseDeleted: whoever leads makes the lease again.
func TestLeaseDeleted(t *testing.T) {
	require(t)
	for _, name := range []string{"manager.bricklayers.dev", "gateway.bricklayers.dev"} {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		if err := kube.Delete(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
		eventually(t, "lease "+name+" to be held again", time.Minute, func(ctx context.Context) (bool, error) {
			err := kube.Get(ctx, client.ObjectKeyFromObject(lease), lease)
			return ptr.Deref(lease.Spec.HolderIdentity, "") != "", client.IgnoreNotFound(err)
		})
	}
}
