package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// operatedPrometheus is what a user writes who wants a Prometheus that takes every ServiceMonitor and PrometheusRule of
// the cluster. Its service account is one of the operator's examples.
const operatedPrometheus = `
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: e2e, namespace: default}
spec:
  version: %s
  serviceAccountName: prometheus
  evaluationInterval: 5s
  serviceMonitorSelector: {}
  serviceMonitorNamespaceSelector: {}
  ruleSelector: {}
  ruleNamespaceSelector: {}
  securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 2000}
`

// installOperator installs the Prometheus Operator with the manifests of its own release, whose images are made here from
// the modules of the same versions. The kinds stay until the cluster goes: the release's ServiceMonitors are of them.
func installOperator(t *testing.T) {
	t.Helper()
	operator, version := moduleOf(t, "prometheus-operator", "github.com/prometheus-operator/prometheus-operator")
	loadImage(t, "operator", "quay.io/prometheus-operator/prometheus-operator:"+version)
	loadImage(t, "prometheus-config-reloader", "quay.io/prometheus-operator/prometheus-config-reloader:"+version)
	// Too large to be applied by the client, which would copy them into an annotation.
	kubectl(t, "apply", "--server-side", "-f", filepath.Join(operator, "bundle.yaml"))
	account := filepath.Join(operator, "example", "rbac", "prometheus", "prometheus-")
	for _, part := range []string{"service-account", "cluster-role", "cluster-role-binding"} {
		kubectl(t, "apply", "-n", "default", "-f", account+part+".yaml")
	}
	kubectl(t, "wait", "--for=condition=Established", "--timeout=1m", "crd/servicemonitors.monitoring.coreos.com",
		"crd/prometheusrules.monitoring.coreos.com", "crd/prometheuses.monitoring.coreos.com")
	t.Cleanup(func() {
		if t.Failed() {
			logOperator(t)
		}
		if err := program(context.Background(), "kubectl", "delete", "-n", "default", "prometheus/e2e",
			"deployment/prometheus-operator", "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
	kubectl(t, "rollout", "status", "-n", "default", "deployment/prometheus-operator", "--timeout=3m")
}

// startOperated asks the operator for a Prometheus and waits until that scrapes each replica of the product.
func startOperated(t *testing.T) prometheusServer {
	t.Helper()
	_, version := moduleOf(t, "prometheus", "github.com/prometheus/prometheus")
	loadImage(t, "prometheus", "quay.io/prometheus/prometheus:"+version)
	file := filepath.Join(t.TempDir(), "prometheus.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, operatedPrometheus, version), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "apply", "-f", file)
	kubectl(t, "wait", "-n", "default", "prometheus/e2e", "--for=condition=Available", "--timeout=4m")
	pods := &corev1.PodList{}
	err := kube.List(t.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"prometheus": "e2e"})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("the operator made %d pods: %v", len(pods.Items), err)
	}
	p := connect(t, pods.Items[0].Status.PodIP+":9090")
	replicas := len(podsOf(t, "bricklayers-gateway")) + len(podsOf(t, "bricklayers-manager"))
	p.until(t, "all targets of the ServiceMonitors to be scraped", `count(up == 1)`, float64(replicas))
	return p
}

// targetsOfServiceMonitors holds what is scraped against the pods that run.
func targetsOfServiceMonitors(t *testing.T, p prometheusServer) {
	targets, err := p.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, target := range targets.Active {
		t.Logf("| %s | %s | %s | %s |", target.ScrapePool, target.Labels["job"], target.Labels["pod"], target.Health)
		if target.Health != promv1.HealthGood {
			t.Errorf("target %s is %s: %s", target.ScrapeURL, target.Health, target.LastError)
		}
		found[target.ScrapePool+" "+string(target.Labels["pod"])] = true
	}
	want := 0
	for _, deployment := range []string{"bricklayers-gateway", "bricklayers-manager"} {
		for _, pod := range podsOf(t, deployment) {
			want++
			if !found["serviceMonitor/"+namespace+"/"+deployment+"/0 "+pod.Name] {
				t.Errorf("pod %s is not scraped", pod.Name)
			}
		}
	}
	if len(found) != want {
		t.Errorf("%d targets are scraped, want %d", len(found), want)
	}
}

// moduleOf returns the folder and the release of what is built in a folder of hack/tools.
func moduleOf(t *testing.T, tool, module string) (dir, version string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module)
	list.Dir = filepath.Join("hack", "tools", tool)
	out, err := list.Output()
	if err != nil {
		t.Fatalf("where is module %s: %v", module, err)
	}
	dir = strings.TrimSpace(string(out))
	// Not the module's own version: Prometheus 3.16.0 is the module's v0.316.0.
	content, err := os.ReadFile(filepath.Join(dir, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, "v" + strings.TrimSpace(string(content))
}

// loadImage packs a program of bin/monitoring as the image that the operator asks for, which has its programs in /bin.
func loadImage(t *testing.T, name, reference string) {
	t.Helper()
	binary := filepath.Join("bin", "monitoring", name)
	err := program(t.Context(), "packimage", "--binary", binary, "--folder", "bin", "--name", reference, "-o", binary+".tar")
	if err != nil {
		t.Fatalf("%v (make test-e2e builds the program)", err)
	}
	if err := cluster.Load(t.Context(), binary+".tar"); err != nil {
		t.Fatal(err)
	}
}

func kubectl(t *testing.T, args ...string) {
	t.Helper()
	if err := program(t.Context(), "kubectl", args...); err != nil {
		t.Fatal(err)
	}
}

func logOperator(t *testing.T) {
	for _, args := range [][]string{
		{"get", "pods,statefulsets,events", "-n", "default", "-o", "wide"},
		{"get", "prometheus/e2e", "-n", "default", "-o", "jsonpath={.status}"},
		{"logs", "-n", "default", "deployment/prometheus-operator", "--tail=40"},
		{"logs", "-n", "default", "prometheus-e2e-0", "--all-containers", "--tail=20"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		out, err := cluster.Output(ctx, "kubectl", args...)
		cancel()
		t.Logf("kubectl %v (%v)\n%s", args, err, out)
	}
}
