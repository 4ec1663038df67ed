package e2e_test

import (
	"bytes"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"bricklayers.dev/bricklayers/test/contract"
)

// maxSeries is what docs/monitoring.md promises for one process.
const maxSeries = 1500

// TestMetricsKeepTheContract holds a scrape of every replica against the published contract, after whatever traffic the
// tests before this one made.
func TestMetricsKeepTheContract(t *testing.T) {
	require(t)
	leaders := 0
	for process, at := range map[contract.Process]struct{ deployment, port string }{
		contract.Gateway: {"bricklayers-gateway", "8000"},
		contract.Manager: {"bricklayers-manager", "8080"},
	} {
		for _, pod := range podsOf(t, at.deployment) {
			text := scrapePod(t, pod, at.port, "text/plain;version=0.0.4")
			leading := bytes.Contains(text, []byte("\nprocessing_jobs_active "))
			if leading {
				leaders++
			}
			faults, err := contract.Check(process, leading, text)
			if err != nil {
				t.Fatal(err)
			}
			open, err := contract.CheckOpenMetrics(text, scrapePod(t, pod, at.port, "application/openmetrics-text;version=1.0.0"))
			if err != nil {
				t.Fatal(err)
			}
			faults = append(faults, open...)
			for _, fault := range faults {
				t.Errorf("%s: %s", pod.Name, fault)
			}
			series := bytes.Count(text, []byte("\n")) - bytes.Count(text, []byte("\n#"))
			t.Logf("%s exposes %d series", pod.Name, series)
			if series > maxSeries {
				t.Errorf("%s exposes %d series, more than %d", pod.Name, series, maxSeries)
			}
		}
	}
	if leaders != 1 {
		t.Errorf("%d managers expose the queue, want the leader alone", leaders)
	}
}

func scrapePod(t *testing.T, pod corev1.Pod, port, format string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+pod.Status.PodIP+":"+port+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", format)
	status, _, body := raw(t, request)
	if status != http.StatusOK {
		t.Fatalf("%s answered %d", request.URL, status)
	}
	return body
}
