package chart

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"bricklayers.dev/bricklayers/internal/childname"
)

// jobPod are labels as the manager sets them on the pods of jobs.
var jobPod = labels.Set{
	"app.kubernetes.io/managed-by": "bricklayers",
	childname.LabelJob:             "benchy",
	childname.LabelJobUID:          "7c0c",
	childname.LabelAttempt:         "1",
	childname.LabelProcessor:       "brick",
}

// TestSelectors: whatever selects pods selects those of its own part and no others.
func TestSelectors(t *testing.T) {
	objects := render(t, "--values", "testdata/everything.yaml")
	pods := map[string]labels.Set{"jobs": jobPod}
	for _, part := range []string{"manager", "gateway"} {
		deployment := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-"+part)
		pods[part] = deployment.Spec.Template.Labels
	}
	for _, part := range []string{"manager", "gateway", "jobs"} {
		name := "bricklayers-" + part
		policy := find[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy", name)
		wantOnly(t, "NetworkPolicy "+name, &policy.Spec.PodSelector, pods, part)
		if part == "jobs" {
			continue
		}
		deployment := find[appsv1.Deployment](t, objects, "Deployment", name)
		wantOnly(t, "Deployment "+name, deployment.Spec.Selector, pods, part)
		budget := find[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget", name)
		wantOnly(t, "PodDisruptionBudget "+name, budget.Spec.Selector, pods, part)
		service := find[corev1.Service](t, objects, "Service", name)
		wantOnly(t, "Service "+name, &metav1.LabelSelector{MatchLabels: service.Spec.Selector}, pods, part)
		wantPorts(t, service, deployment)
		wantScraped(t, objects, service)
	}
}

func wantOnly(t *testing.T, what string, selector *metav1.LabelSelector, pods map[string]labels.Set, want string) {
	t.Helper()
	matcher, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for part, set := range pods {
		if matcher.Matches(set) != (part == want) {
			t.Errorf("%s: selects the pods of %s: %t", what, part, matcher.Matches(set))
		}
	}
}

// wantPorts fails unless each port of the Service is one that the container names.
func wantPorts(t *testing.T, service *corev1.Service, deployment *appsv1.Deployment) {
	t.Helper()
	named := map[string]bool{}
	for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
		named[port.Name] = true
	}
	for _, port := range service.Spec.Ports {
		if !named[port.TargetPort.StrVal] {
			t.Errorf("Service %s: no port of the container is called %q", service.Name, port.TargetPort.StrVal)
		}
	}
}

// wantScraped fails unless a ServiceMonitor finds the Service and a port of it.
func wantScraped(t *testing.T, objects []*unstructured.Unstructured, service *corev1.Service) {
	t.Helper()
	monitor := find[struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			Selector  metav1.LabelSelector `json:"selector"`
			Endpoints []struct {
				Port        string `json:"port"`
				Path        string `json:"path"`
				Interval    string `json:"interval"`
				Relabelings []struct {
					Action string `json:"action"`
					Regex  string `json:"regex"`
				} `json:"relabelings"`
			} `json:"endpoints"`
		} `json:"spec"`
	}](t, objects, "ServiceMonitor", service.Name)
	matcher, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	if !matcher.Matches(labels.Set(service.Labels)) {
		t.Errorf("ServiceMonitor %s does not find its Service", monitor.Name)
	}
	if monitor.Labels["release"] != "prometheus" || monitor.Spec.Endpoints[0].Interval != "30s" {
		t.Errorf("ServiceMonitor %s is not what the values say: %v", monitor.Name, monitor)
	}
	for _, port := range service.Spec.Ports {
		if port.Name == monitor.Spec.Endpoints[0].Port {
			return
		}
	}
	t.Errorf("ServiceMonitor %s: the Service has no port %q", monitor.Name, monitor.Spec.Endpoints[0].Port)
}

// TestJobPolicy: a job's pod reaches DNS and the gateway's pod port; public addresses only for inputs by URL.
func TestJobPolicy(t *testing.T) {
	for _, test := range []struct {
		urls string
		want int
	}{{"true", 3}, {"false", 2}} {
		objects := render(t, "--set", "networkPolicy.enabled=true,networkPolicy.jobs.allowInputURLs="+test.urls)
		policy := find[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy", "bricklayers-jobs")
		if len(policy.Spec.Ingress) != 0 || len(policy.Spec.PolicyTypes) != 2 {
			t.Errorf("job pods can be reached: %v", policy.Spec)
		}
		if got := len(policy.Spec.Egress); got != test.want {
			t.Fatalf("allowInputURLs=%s: %d egress rules, want %d", test.urls, got, test.want)
		}
		gateway := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-gateway")
		peer := policy.Spec.Egress[1].To[0]
		wantOnly(t, "egress to the gateway", peer.PodSelector,
			map[string]labels.Set{"gateway": gateway.Spec.Template.Labels, "jobs": jobPod}, "gateway")
		if policy.Spec.Egress[1].Ports[0].Port.StrVal != "pods" {
			t.Errorf("job pods may reach the gateway's port %v", policy.Spec.Egress[1].Ports[0].Port)
		}
	}
}

// TestTracing: gateway and manager are told of the collector and may reach it and nothing else; by default of none.
func TestTracing(t *testing.T) {
	for _, test := range []struct {
		endpoint string
		port     int32
	}{{"", 0}, {"http://otel-collector.monitoring:4317", 4317}, {"https://[fd00::1]:14317", 14317}} {
		objects := render(t, "--set", "networkPolicy.enabled=true,tracing.endpoint="+test.endpoint,
			"--set", "networkPolicy.collector[0].namespaceSelector.matchLabels.team=traces")
		for _, part := range []string{"manager", "gateway"} {
			deployment := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-"+part)
			said := ""
			for _, variable := range deployment.Spec.Template.Spec.Containers[0].Env {
				if variable.Name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
					said = variable.Value
				}
			}
			if said != test.endpoint {
				t.Errorf("the %s is told of the collector %q, want %q", part, said, test.endpoint)
			}
			policy := find[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy", "bricklayers-"+part)
			reached := int32(0)
			for _, rule := range policy.Spec.Egress {
				if len(rule.To) == 1 && rule.To[0].NamespaceSelector != nil && rule.To[0].NamespaceSelector.MatchLabels["team"] == "traces" {
					reached += rule.Ports[0].Port.IntVal
				}
			}
			if reached != test.port {
				t.Errorf("the %s may reach the collector %q at port %d, want %d", part, test.endpoint, reached, test.port)
			}
		}
	}
}

// TestRoutes: Ingress and HTTPRoute lead to a port of the gateway's Service.
func TestRoutes(t *testing.T) {
	objects := render(t, "--values", "testdata/everything.yaml")
	service := find[corev1.Service](t, objects, "Service", "bricklayers-gateway")
	ingress := find[networkingv1.Ingress](t, objects, "Ingress", "bricklayers-gateway")
	class := *ingress.Spec.IngressClassName
	if len(ingress.Spec.Rules) != 2 || class != "nginx" || ingress.Annotations["size"] != "large" {
		t.Errorf("the Ingress is not what the values say: %v", ingress)
	}
	backend := ingress.Spec.Rules[1].HTTP.Paths[0].Backend.Service
	if backend.Name != service.Name || backend.Port.Name != service.Spec.Ports[0].Name {
		t.Errorf("the Ingress leads to %v", backend)
	}
	route := find[unstructured.Unstructured](t, objects, "HTTPRoute", "bricklayers-gateway")
	rules, _, err := unstructured.NestedSlice(route.Object, "spec", "rules")
	if err != nil || len(rules) != 1 {
		t.Fatalf("the HTTPRoute has rules %v (%v)", rules, err)
	}
	target := rules[0].(map[string]any)["backendRefs"].([]any)[0].(map[string]any)
	if target["name"] != service.Name || target["port"] != int64(service.Spec.Ports[0].Port) {
		t.Errorf("the HTTPRoute leads to %v", target)
	}
}
