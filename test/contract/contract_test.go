package contract_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bricklayers.dev/bricklayers/internal/gateway"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/test/contract"
)

const (
	textFormat  = "text/plain;version=0.0.4"
	openMetrics = "application/openmetrics-text;version=1.0.0"
)

// gatewayEndpoint serves the metrics of a gateway that has had no request yet.
func gatewayEndpoint(*testing.T) http.Handler {
	g := gateway.New(gateway.Options{}, nil, func() bool { return true }, nil, &storage.Store{}, prometheus.NewRegistry())
	g.PodHandler()
	return g.Handler(true)
}

func managerEndpoint(leading bool) func(*testing.T) http.Handler {
	return func(*testing.T) http.Handler {
		registry := prometheus.NewRegistry()
		metrics.NewManager(registry, func() (metrics.QueueDepth, bool) { return metrics.QueueDepth{}, leading })
		return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	}
}

func scrape(t *testing.T, handler http.Handler, format string) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", format)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	kind, _, _ := strings.Cut(format, ";")
	if got := recorder.Header().Get("Content-Type"); recorder.Code != http.StatusOK || !strings.HasPrefix(got, kind) {
		t.Fatalf("asked for %s, got %d %s", format, recorder.Code, got)
	}
	return recorder.Body.String()
}

// TestNewProcesses holds a process that has done nothing yet against the contract: everything exists at zero.
func TestNewProcesses(t *testing.T) {
	for name, c := range map[string]struct {
		process contract.Process
		leading bool
		handler func(*testing.T) http.Handler
	}{
		"gateway": {contract.Gateway, true, gatewayEndpoint},
		"leader":  {contract.Manager, true, managerEndpoint(true)},
		"standby": {contract.Manager, false, managerEndpoint(false)},
	} {
		t.Run(name, func(t *testing.T) {
			handler := c.handler(t)
			text := scrape(t, handler, textFormat)
			faults, err := contract.Check(c.process, c.leading, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			inOpen, err := contract.CheckOpenMetrics([]byte(text), []byte(scrape(t, handler, openMetrics)))
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range append(faults, inOpen...) {
				t.Error(fault)
			}
		})
	}
}

// TestCheckSeesDifferences spoils a good scrape in one way after the other.
func TestCheckSeesDifferences(t *testing.T) {
	text := scrape(t, gatewayEndpoint(t), textFormat) + "# HELP go_things x\n# TYPE go_things gauge\ngo_things 1\n"
	for name, c := range map[string]struct{ old, new, want string }{
		"name":        {"downloads_total", "download_total", "downloads_total is missing"},
		"type":        {"TYPE uploads_total counter", "TYPE uploads_total gauge", "uploads_total is a gauge"},
		"label":       {`uploads_total{status="success"}`, `uploads_total{result="success"}`, "without label status"},
		"value":       {`uploads_total{status="success"}`, `uploads_total{status="ok"}`, `status="success"} is missing`},
		"extra value": {`uploads_total{status="success"}`, `uploads_total{status="ok"}`, `status="ok"} has a value`},
		"bucket":      {`upload_file_size_bytes_bucket{le="100000"}`, `upload_file_size_bytes_bucket{le="102400"}`, "has the buckets"},
		"description": {"Total cleanup service runs", "Runs", "is described as"},
		"info":        {`version="`, `release="`, "without label version"},
		"unknown":     {"go_things", "our_things", "our_things is not in the contract"},
		"reason":      {`reason="file_too_large"`, `reason="large"`, `reason="file_too_large"} is missing`},
		"route":       {`/api/v1/upload"`, `/api/v2/upload"`, "which the gateway does not serve"},
		"zero":        {`endpoint="/api/v1/upload",method="POST",status="500"`, `endpoint="/api/v1/upload",method="POST",status="502"`, "/api/v1/upload 500\" is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			spoilt := strings.ReplaceAll(text, c.old, c.new)
			if spoilt == text {
				t.Fatalf("the scrape has no %s", c.old)
			}
			faults, err := contract.Check(contract.Gateway, true, []byte(spoilt))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(faults, "\n"), c.want) {
				t.Errorf("the check says %q, want %q", faults, c.want)
			}
		})
	}
}

// TestRoutesCanFail holds that ratios of good and failed requests have both halves for each route that does work. What
// is in the program itself, as the page and the API's description are, cannot fail.
func TestRoutesCanFail(t *testing.T) {
	for _, route := range gateway.Routes() {
		good := slices.ContainsFunc(route.Statuses, func(status int) bool { return status/100 == 2 })
		bad := slices.ContainsFunc(route.Statuses, func(status int) bool { return status/100 == 5 })
		works := route.Method != http.MethodOptions &&
			!strings.HasSuffix(route.Endpoint, "/openapi.json") &&
			(strings.HasPrefix(route.Endpoint, "/api/") || strings.HasPrefix(route.Endpoint, "/pod/"))
		if !good || works && !bad {
			t.Errorf("%s %s declares the answers %v, want a 2xx and, if it does work, a 5xx",
				route.Method, route.Endpoint, route.Statuses)
		}
	}
}

func TestSourcesExist(t *testing.T) {
	for _, family := range append(contract.Families, contract.Extra...) {
		if _, err := os.Stat(filepath.Join("../..", family.Source)); err != nil {
			t.Errorf("%s: %v", family.Name, err)
		}
	}
}
