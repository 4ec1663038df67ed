package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"bricklayers.dev/bricklayers/test/promtool"
)

// prometheusServer is a real Prometheus that scrapes every replica, with the chart's rules.
type prometheusServer struct {
	promv1.API
}

// startPrometheus starts one on the host that scrapes as the contract says, only more often.
func startPrometheus(t *testing.T) prometheusServer {
	t.Helper()
	binary := promtool.Require(t, "prometheus")
	targets := func(deployment, port string) (list []string) {
		for _, pod := range podsOf(t, deployment) {
			list = append(list, pod.Status.PodIP+":"+port)
		}
		return list
	}
	gateways, managers := targets("bricklayers-gateway", "8000"), targets("bricklayers-manager", "8080")
	rules, err := filepath.Abs("charts/bricklayers/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), freeAddress(t)
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 5s}
rule_files: [%q]
scrape_configs:
- job_name: bricklayers-web
  metrics_path: /metrics
  static_configs: [{targets: [%s]}]
- job_name: bricklayers-manager
  static_configs: [{targets: [%s]}]
`, rules, strings.Join(gateways, ","), strings.Join(managers, ","))
	configFile := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(configFile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(binary, "--config.file="+configFile, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address)
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill() // it may have ended by itself
		_ = server.Wait()
		if content, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("prometheus says:\n%s", content)
		}
		log.Close()
	})
	p := connect(t, address)
	p.until(t, "all targets to be scraped", `count(up == 1)`, float64(len(gateways)+len(managers)))
	return p
}

func connect(t *testing.T, address string) prometheusServer {
	t.Helper()
	client, err := api.NewClient(api.Config{Address: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	return prometheusServer{promv1.NewAPI(client)}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// until waits for a query to reach a value.
func (p prometheusServer) until(t *testing.T, what, query string, atLeast float64) {
	t.Helper()
	eventually(t, what, time.Minute, func(ctx context.Context) (bool, error) {
		result, _, _, err := p.Query(ctx, query, time.Now())
		if err != nil {
			return false, err
		}
		vector, ok := result.(model.Vector)
		return ok && len(vector) > 0 && float64(vector[0].Value) >= atLeast, nil
	})
}

// ask returns what a query returns at a time.
func (p prometheusServer) ask(t *testing.T, query string, at time.Time) model.Vector {
	t.Helper()
	result, warnings, _, err := p.Query(t.Context(), query, at)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("query %s: %v %v", query, err, warnings)
	}
	vector, ok := result.(model.Vector)
	if !ok {
		t.Fatalf("query %s returned a %s", query, result.Type())
	}
	return vector
}

// rise is by how much a counter, of all replicas, rose between the first sample and the last before a time: what a query is
// held against where things go on by themselves, before the test looks and after.
func (p prometheusServer) rise(t *testing.T, counter string, at time.Time) (sum float64) {
	t.Helper()
	result, _, _, err := p.Query(t.Context(), counter+"[1h]", at)
	if err != nil {
		t.Fatal(err)
	}
	matrix, ok := result.(model.Matrix)
	if !ok {
		t.Fatalf("samples of %s are a %s", counter, result.Type())
	}
	for _, series := range matrix {
		sum += float64(series.Values[len(series.Values)-1].Value - series.Values[0].Value)
	}
	return sum
}

// onlyOneGateway tells when a rollout has left one gateway, the new one.
func onlyOneGateway(t *testing.T) func(context.Context) (bool, error) {
	return func(context.Context) (bool, error) { return len(podsOf(t, "bricklayers-gateway")) == 1, nil }
}

// restoreChart brings back the release that the tests began with.
func restoreChart() error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	return program(ctx, "helm", "upgrade", "bricklayers", "charts/bricklayers", "--namespace", namespace, "--wait",
		"--timeout", "3m", "--reset-values")
}
