package controllers

import (
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/internal/filename"
	"bricklayers.dev/bricklayers/internal/parameters"
	"bricklayers.dev/bricklayers/internal/queue"
)

// Names inside the pod. The agent and the gateway know the paths by the arguments they are given.
const (
	containerFetch   = "fetch"
	containerProcess = "process"
	containerStore   = "store"

	dataPath   = "/data"
	sourcePath = "/source"
	tokenPath  = "/var/run/secrets/bricklayers"

	defaultUser = 65532
)

// PodAccess is how pods reach the gateway, and what they may reach beside it.
type PodAccess struct {
	AgentImage      string
	GatewayURL      string
	AllowInputCIDRs []string // private ranges that an input's https address may lie in
}

// attemptPolicy is what an attempt was started with.
type attemptPolicy struct {
	timeout        time.Duration
	pendingTimeout time.Duration
	retries        int32
}

func resolvePolicy(job *v1alpha1.ProcessingJob, p *v1alpha1.Processor) attemptPolicy {
	defaults := p.Spec.Defaults
	return attemptPolicy{
		timeout:        time.Duration(ptr.Deref(job.Spec.TimeoutSeconds, defaults.TimeoutSeconds)) * time.Second,
		pendingTimeout: time.Duration(ptr.Deref(job.Spec.PendingTimeoutSeconds, defaults.PendingTimeoutSeconds)) * time.Second,
		retries:        ptr.Deref(job.Spec.Retries, ptr.Deref(defaults.Retries, v1alpha1.DefaultRetries)),
	}
}

// attemptPolicyOf reads the policy back from a Job's annotations.
func attemptPolicyOf(child *batchv1.Job) attemptPolicy {
	seconds := func(annotation string, fallback int64) int64 {
		n, err := strconv.ParseInt(child.Annotations[annotation], 10, 64)
		if err != nil {
			return fallback // somebody took the annotation off; the API's default is the best guess left
		}
		return n
	}
	return attemptPolicy{
		timeout:        time.Duration(seconds(childname.AnnotationTimeout, v1alpha1.DefaultTimeoutSeconds)) * time.Second,
		pendingTimeout: time.Duration(seconds(childname.AnnotationPendingTimeout, v1alpha1.DefaultPendingTimeoutSeconds)) * time.Second,
		retries:        int32(seconds(childname.AnnotationRetries, v1alpha1.DefaultRetries)),
	}
}

// buildJob makes the batch/v1 Job of one attempt: one pod, three steps in order, every container under the restricted
// Pod Security Standard, and only fetch and store with a token, which the gateway alone accepts.
func buildJob(job *v1alpha1.ProcessingJob, p *v1alpha1.Processor, values []parameters.Value, attempt int32,
	memory *resource.Quantity, access PodAccess,
) *batchv1.Job {
	policy := resolvePolicy(job, p)
	labels := map[string]string{
		"app.kubernetes.io/managed-by": "bricklayers",
		childname.LabelJob:             job.Name,
		childname.LabelJobUID:          string(job.UID),
		childname.LabelAttempt:         strconv.Itoa(int(attempt)),
		childname.LabelProcessor:       p.Name,
	}
	podLabels := maps.Clone(p.Spec.Pod.Labels)
	if podLabels == nil {
		podLabels = map[string]string{}
	}
	maps.Copy(podLabels, labels)
	child := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: job.Namespace,
			Name:      childname.ForAttempt(job, attempt),
			Labels:    labels,
			Annotations: map[string]string{
				childname.AnnotationTimeout:        strconv.Itoa(int(policy.timeout.Seconds())),
				childname.AnnotationPendingTimeout: strconv.Itoa(int(policy.pendingTimeout.Seconds())),
				childname.AnnotationRetries:        strconv.Itoa(int(policy.retries)),
			},
			OwnerReferences: []metav1.OwnerReference{{
				// blockOwnerDeletion stays unset: it would need the right to set finalizers where the admission
				// plugin OwnerReferencesPermissionEnforcement is on.
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "ProcessingJob",
				Name: job.Name, UID: job.UID, Controller: ptr.To(true),
			}},
		},
		Spec: batchv1.JobSpec{
			ManagedBy:            job.Spec.ManagedBy,
			BackoffLimit:         ptr.To[int32](0),       // one Job is one attempt; the manager decides on the next
			PodReplacementPolicy: ptr.To(batchv1.Failed), // never two pods of one job at once
			PodFailurePolicy:     podFailurePolicy(),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: podLabels, Annotations: p.Spec.Pod.Annotations},
				Spec:       podSpec(job, p, values, policy, memory, access),
			},
		},
	}
	if queue.KueueManaged(job) {
		leaveToKueue(child, job)
	}
	return child
}

// podFailurePolicy lets a disrupted pod be replaced within the attempt, and has any other failure end the Job with the
// exit code in its condition, where it outlives the pod. It names our containers: of others, the code says nothing.
func podFailurePolicy() *batchv1.PodFailurePolicy {
	policy := &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
		Action: batchv1.PodFailurePolicyActionIgnore,
		OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
			{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
		},
	}}}
	for _, container := range []string{containerFetch, containerProcess, containerStore} {
		policy.Rules = append(policy.Rules, batchv1.PodFailurePolicyRule{
			Action: batchv1.PodFailurePolicyActionFailJob,
			OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
				ContainerName: ptr.To(container),
				Operator:      batchv1.PodFailurePolicyOnExitCodesOpNotIn, Values: []int32{0},
			},
		})
	}
	return policy
}

func podSpec(job *v1alpha1.ProcessingJob, p *v1alpha1.Processor, values []parameters.Value, policy attemptPolicy,
	memory *resource.Quantity, access PodAccess,
) corev1.PodSpec {
	pod := &p.Spec.Pod
	user := ptr.Deref(pod.RunAsUser, defaultUser)
	return corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		AutomountServiceAccountToken: ptr.To(false),
		EnableServiceLinks:           ptr.To(false), // the processor's environment is its parameters and nothing else
		ServiceAccountName:           pod.ServiceAccountName,
		NodeSelector:                 pod.NodeSelector,
		Tolerations:                  pod.Tolerations,
		Affinity:                     pod.Affinity,
		PriorityClassName:            pod.PriorityClassName,
		RuntimeClassName:             pod.RuntimeClassName,
		HostUsers:                    pod.HostUsers,
		ImagePullSecrets:             pod.ImagePullSecrets,
		ActiveDeadlineSeconds:        ptr.To(podDeadline(policy)),
		// A process that ignores SIGTERM has nothing worth waiting for: only a commit makes its files a result.
		TerminationGracePeriodSeconds: ptr.To[int64](5),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		InitContainers: []corev1.Container{
			fetchContainer(job, p, access),
			processContainer(job, p, values, memory),
		},
		Containers: []corev1.Container{
			agentContainer(containerStore, access, []string{"store", "--gateway=" + access.GatewayURL}, corev1.VolumeMount{
				Name: "data", MountPath: dataPath, ReadOnly: true,
			}),
		},
		Volumes: append(volumes(pod), sourceVolumes(job)...),
	}
}

// podDeadline holds while no manager runs, who enforces both timeouts: a pod may wait twice, for its first container and
// for the process. It is the pod's and not the Job's, because a pod that replaces a disrupted one has all its time again.
func podDeadline(policy attemptPolicy) int64 {
	const slack = time.Minute
	return int64((policy.timeout + 2*policy.pendingTimeout + slack).Seconds())
}

func volumes(pod *v1alpha1.ProcessorPod) []corev1.Volume {
	return []corev1.Volume{
		{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: pod.DataSize}}},
		{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: v1alpha1.GatewayAudience, ExpirationSeconds: ptr.To[int64](3600), Path: "token",
			}}},
		}}},
	}
}

// sourceVolumes mounts a ConfigMap's key or a claim for fetch to copy from.
func sourceVolumes(job *v1alpha1.ProcessingJob) []corev1.Volume {
	input := &job.Spec.Input
	switch {
	case input.ConfigMap != nil:
		return []corev1.Volume{{Name: "source", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: input.ConfigMap.Name},
				Items:                []corev1.KeyToPath{{Key: string(input.ConfigMap.Key), Path: string(input.ConfigMap.Key)}},
			},
		}}}
	case input.PersistentVolumeClaim != nil:
		return []corev1.Volume{{Name: "source", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{
				ClaimName: input.PersistentVolumeClaim.ClaimName, ReadOnly: true,
			},
		}}}
	}
	return nil
}

func fetchContainer(job *v1alpha1.ProcessingJob, p *v1alpha1.Processor, access PodAccess) corev1.Container {
	args := []string{"fetch", "--gateway=" + access.GatewayURL, "--name=" + inputName(job)}
	mounts := []corev1.VolumeMount{{Name: "data", MountPath: dataPath}}
	switch input := &job.Spec.Input; {
	case input.Upload != nil:
		args = append(args, "--upload", fmt.Sprintf("--size=%d", ptr.Deref(input.Upload.Size, 0)),
			"--sha256="+string(input.Upload.SHA256))
	case input.URL != nil:
		args = append(args, "--url="+*input.URL)
		if len(access.AllowInputCIDRs) > 0 {
			args = append(args, "--allow-cidr="+strings.Join(access.AllowInputCIDRs, ","))
		}
	case input.ConfigMap != nil:
		args = append(args, "--file="+path.Join(sourcePath, string(input.ConfigMap.Key)))
	case input.PersistentVolumeClaim != nil:
		args = append(args, "--file="+path.Join(sourcePath, input.PersistentVolumeClaim.Path))
	}
	if limit := p.Spec.Accepts.MaxSize; limit != nil {
		args = append(args, fmt.Sprintf("--max-size=%d", limit.Value()))
	}
	if len(sourceVolumes(job)) > 0 {
		mounts = append(mounts, corev1.VolumeMount{Name: "source", MountPath: sourcePath, ReadOnly: true})
	}
	return agentContainer(containerFetch, access, args, mounts...)
}

func agentContainer(name string, access PodAccess, args []string, mounts ...corev1.VolumeMount) corev1.Container {
	for i := range args {
		args[i] = literal(args[i])
	}
	return corev1.Container{
		Name:                     name,
		Image:                    access.AgentImage,
		Args:                     args,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi"),
			},
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
		},
		VolumeMounts:    append(mounts, corev1.VolumeMount{Name: "token", MountPath: tokenPath, ReadOnly: true}),
		SecurityContext: restricted(),
	}
}

func processContainer(job *v1alpha1.ProcessingJob, p *v1alpha1.Processor, values []parameters.Value,
	memory *resource.Quantity,
) corev1.Container {
	spec := &p.Spec.Container
	env := []corev1.EnvVar{
		{Name: "INPUT_FILE", Value: literal(path.Join(dataPath, "in", inputName(job)))},
		{Name: "OUTPUT_DIR", Value: path.Join(dataPath, "out")},
	}
	for _, value := range values {
		env = append(env, corev1.EnvVar{Name: value.Env, Value: literal(value.Value)})
	}
	resources := *spec.Resources.DeepCopy()
	if memory != nil {
		if resources.Limits == nil {
			resources.Limits = corev1.ResourceList{}
		}
		resources.Limits[corev1.ResourceMemory] = *memory
	}
	return corev1.Container{
		Name:                     containerProcess,
		Image:                    spec.Image,
		ImagePullPolicy:          spec.ImagePullPolicy,
		Command:                  spec.Command,
		Args:                     spec.Args,
		WorkingDir:               spec.WorkingDir,
		Env:                      append(env, spec.Env...),
		Resources:                resources,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts: []corev1.VolumeMount{
			{Name: "data", MountPath: path.Join(dataPath, "in"), SubPath: "in", ReadOnly: true},
			{Name: "data", MountPath: path.Join(dataPath, "out"), SubPath: "out"},
		},
		SecurityContext: restricted(),
	}
}

func restricted() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false),
		ReadOnlyRootFilesystem:   ptr.To(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// literal protects text of users from the kubelet, which replaces $(NAME) in arguments and values.
func literal(text string) string {
	return strings.ReplaceAll(text, "$", "$$")
}

// inputName is the file's name as the processor sees it.
func inputName(job *v1alpha1.ProcessingJob) string {
	switch input := &job.Spec.Input; {
	case input.Upload != nil:
		return string(input.Upload.Name)
	case input.ConfigMap != nil:
		return string(input.ConfigMap.Key)
	case input.PersistentVolumeClaim != nil:
		return path.Base(input.PersistentVolumeClaim.Path)
	default:
		return filename.FromURL(ptr.Deref(input.URL, ""))
	}
}
