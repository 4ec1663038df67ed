package controllers

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/internal/childname"
)

// CacheOptions keeps the manager's memory in proportion to its own objects: of all the Jobs and pods in the cluster only
// those it made, and of those only what a decision looks at. An empty namespace means all.
func CacheOptions(namespace string) cache.Options {
	ours, err := labels.NewRequirement(childname.LabelJobUID, selection.Exists, nil)
	if err != nil {
		panic(err) // the label is a constant
	}
	options := cache.Options{
		// A read that nobody planned a watch for fails loudly instead of loading a whole kind into memory.
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&batchv1.Job{}: {Label: labels.NewSelector().Add(*ours), Transform: stripJob},
			&corev1.Pod{}:  {Label: labels.NewSelector().Add(*ours), Transform: stripPod},
		},
	}
	if namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	return options
}

// stripJob leaves of a Job what decide reads: its metadata, status, and the process's memory limit.
func stripJob(o any) (any, error) {
	job, ok := o.(*batchv1.Job)
	if !ok {
		return o, nil
	}
	stripMeta(&job.ObjectMeta)
	var process []corev1.Container
	for _, container := range job.Spec.Template.Spec.InitContainers {
		if container.Name == containerProcess {
			process = []corev1.Container{{Name: container.Name, Resources: container.Resources}}
		}
	}
	job.Spec = batchv1.JobSpec{
		Suspend:  job.Spec.Suspend,
		Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{InitContainers: process}},
	}
	return job, nil
}

// stripPod leaves of a pod what decide reads: its metadata and status.
func stripPod(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	stripMeta(&pod.ObjectMeta)
	pod.Annotations = nil
	pod.Spec = corev1.PodSpec{}
	pod.Status = corev1.PodStatus{
		Phase:                 pod.Status.Phase,
		Message:               pod.Status.Message,
		Reason:                pod.Status.Reason,
		Conditions:            pod.Status.Conditions,
		InitContainerStatuses: pod.Status.InitContainerStatuses,
		ContainerStatuses:     pod.Status.ContainerStatuses,
	}
	return pod, nil
}

func stripMeta(meta *metav1.ObjectMeta) {
	meta.ManagedFields = nil
	meta.Finalizers = nil
}
