package chart

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestPodFields: whatever can be set for a pod reaches it, for manager and gateway alike.
func TestPodFields(t *testing.T) {
	objects := render(t, "--values", "testdata/everything.yaml")
	for _, component := range []string{"manager", "gateway"} {
		deployment := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-"+component)
		template := deployment.Spec.Template
		pod, container := template.Spec, template.Spec.Containers[0]
		for field, set := range map[string]bool{
			"replicas":          *deployment.Spec.Replicas == 3,
			"extraArgs":         container.Args[len(container.Args)-1] == "--zap-log-level=debug",
			"extraEnv":          environment(container)["TZ"] == "UTC",
			"extraVolumes":      hasVolume(pod, "extra"),
			"extraVolumeMounts": hasMount(container, "/extra"),
			"resources":         container.Resources.Limits.Cpu().String() == "1",
			"podLabels":         template.Labels["tier"] == "print",
			"commonLabels":      template.Labels["team"] == "print" && deployment.Labels["team"] == "print",
			"commonAnnotations": deployment.Annotations["owner"] == "print@example.com",
			"podAnnotations":    template.Annotations["scrape"] == "true",
			"nodeSelector":      pod.NodeSelector["disk"] == "ssd",
			"tolerations":       len(pod.Tolerations) == 1 && pod.Tolerations[0].Key == "print",
			"affinity":          pod.Affinity.NodeAffinity != nil && pod.Affinity.PodAntiAffinity == nil,
			"topologySpread":    len(pod.TopologySpreadConstraints) == 1,
			"priorityClassName": pod.PriorityClassName == "system-cluster-critical",
			"hostUsers":         pod.HostUsers != nil && !*pod.HostUsers,
			"terminationGrace":  *pod.TerminationGracePeriodSeconds == 90,
			"image":             container.Image == "registry.example.com/bricklayers/"+component+":v9",
			"pullPolicy":        container.ImagePullPolicy == corev1.PullAlways,
			"pullSecrets":       len(pod.ImagePullSecrets) == 1 && pod.ImagePullSecrets[0].Name == "registry",
		} {
			if !set {
				t.Errorf("%s: %s is not what the values say", component, field)
			}
		}
	}
}

// TestArguments: the values that become arguments, numbers written out.
func TestArguments(t *testing.T) {
	objects := render(t, "--values", "testdata/everything.yaml")
	manager := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-manager")
	for _, arg := range []string{
		"--leader-elect", "--max-active=2000000", "--max-active-per-namespace=7",
		"--allow-input-cidr=10.1.0.0/16,10.2.0.0/16", "--agent-image=registry.example.com/bricklayers/agent:v9",
	} {
		wantArg(t, manager, arg)
	}
	gateway := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-gateway")
	for _, arg := range []string{
		"--leader-elect", "--bucket=s3://prints?region=eu-central-1", "--default-processor=stl",
		"--max-upload-size=1Gi", "--max-output-size=3Gi", "--upload-timeout=30m", "--sweep-interval=5m", "--sweep-grace-period=3h",
		"--namespace=$(POD_NAMESPACE)",
	} {
		wantArg(t, gateway, arg)
	}
	container := gateway.Spec.Template.Spec.Containers[0]
	if container.EnvFrom[0].SecretRef.Name != "s3" {
		t.Errorf("the bucket's secret is not in the environment: %v", container.EnvFrom)
	}
	key := environment(container)["GOOGLE_APPLICATION_CREDENTIALS"]
	if key != "/var/run/secrets/google/key.json" || !hasMount(container, "/var/run/secrets/google") {
		t.Errorf("the Google key at %q is not mounted", key)
	}
}

func environment(container corev1.Container) map[string]string {
	values := map[string]string{}
	for _, variable := range container.Env {
		values[variable.Name] = variable.Value
	}
	return values
}

func hasVolume(pod corev1.PodSpec, name string) bool {
	for _, volume := range pod.Volumes {
		if volume.Name == name {
			return true
		}
	}
	return false
}

func hasMount(container corev1.Container, path string) bool {
	for _, mount := range container.VolumeMounts {
		if mount.MountPath == path {
			return true
		}
	}
	return false
}
