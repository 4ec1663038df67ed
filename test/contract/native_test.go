package contract_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/test/contract"
)

// TestNativeHistograms asks as a Prometheus with native histograms does: in protobuf each histogram of the contract has
// its native buckets and, beside them, the classic ones with the same count.
func TestNativeHistograms(t *testing.T) {
	registry := prometheus.NewRegistry()
	manager := metrics.NewManager(registry, func() (metrics.QueueDepth, bool) { return metrics.QueueDepth{}, true })
	manager.Started(3*time.Second, "")
	manager.Admitted(queue.Admission{Reason: "Queued", Waited: time.Minute, EstimateError: time.Second}, "")
	gateway := metrics.NewGateway(registry, nil)
	gateway.Uploaded(3e6, "")
	gateway.Route(http.MethodGet, "/x", http.StatusOK).Observe(http.StatusOK, 0.3, "")
	observed := []string{
		"bricklayers_attempt_startup_seconds", "bricklayers_queue_wait_seconds", "bricklayers_queue_estimate_error_seconds",
		"upload_file_size_bytes", "http_request_duration_seconds",
	}
	families := scrapeProtobuf(t, promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	for _, want := range slices.Concat(contract.Families, contract.Extra) {
		if want.Type != "histogram" {
			continue
		}
		family := families[want.Name]
		if family == nil {
			t.Errorf("%s is missing", want.Name)
			continue
		}
		h := family.Metric[0].GetHistogram()
		if h.Schema == nil || len(h.Bucket) != len(want.Buckets) {
			t.Errorf("%s has the native schema %v and %d classic buckets, want both, %d", want.Name, h.Schema, len(h.Bucket),
				len(want.Buckets))
		}
		if !slices.Contains(observed, want.Name) {
			continue
		}
		if len(h.PositiveSpan) == 0 || h.PositiveDelta[0] != 1 || h.GetSampleCount() != 1 ||
			h.Bucket[len(h.Bucket)-1].GetCumulativeCount() != 1 {
			t.Errorf("%s does not have its observation in both kinds of buckets: %v", want.Name, h)
		}
	}
}

func scrapeProtobuf(t *testing.T, handler http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	const format = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", format)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	decoder := expfmt.NewDecoder(bufio.NewReader(recorder.Body), expfmt.ResponseFormat(recorder.Header()))
	families := map[string]*dto.MetricFamily{}
	for {
		family := &dto.MetricFamily{}
		switch err := decoder.Decode(family); {
		case errors.Is(err, io.EOF):
			return families
		case err != nil:
			t.Fatal(err)
		}
		families[family.GetName()] = family
	}
}
