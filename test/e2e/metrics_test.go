package e2e_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// scrape reads every series of every replica of the gateway and the manager, as Prometheus would, and adds up those of
// the same name.
func scrape(t *testing.T) map[string]float64 {
	t.Helper()
	series := map[string]float64{}
	for deployment, port := range map[string]string{"bricklayers-gateway": "8000", "bricklayers-manager": "8080"} {
		for _, pod := range podsOf(t, deployment) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
				"http://"+pod.Status.PodIP+":"+port+"/metrics", nil)
			if err != nil {
				t.Fatal(err)
			}
			status, _, body := raw(t, request)
			if status != http.StatusOK {
				t.Fatalf("%s answered %d", request.URL, status)
			}
			addSeries(t, series, body)
		}
	}
	return series
}

func addSeries(t *testing.T, series map[string]float64, body []byte) {
	t.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || lines.Text()[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(lines.Text()[at+1:], 64)
		if err != nil {
			t.Fatalf("the metrics have the line %q", lines.Text())
		}
		series[lines.Text()[:at]] += value
	}
}

// podsOf lists the pods of a Deployment that run.
func podsOf(t *testing.T, deployment string) []corev1.Pod {
	t.Helper()
	d := &appsv1.Deployment{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: deployment}, d); err != nil {
		t.Fatal(err)
	}
	list := &corev1.PodList{}
	err := kube.List(t.Context(), list, client.InNamespace(namespace), client.MatchingLabels(d.Spec.Selector.MatchLabels))
	if err != nil {
		t.Fatal(err)
	}
	var running []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
			running = append(running, pod)
		}
	}
	return running
}
