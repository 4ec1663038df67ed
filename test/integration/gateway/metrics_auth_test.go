package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bricklayers.dev/bricklayers/test/controlplane"
)

// TestMetricsAuth asks the API server's rules: of two accounts, each with a valid token, only the one that may get
// /metrics reads the metrics of the gateway and of the manager.
func TestMetricsAuth(t *testing.T) {
	ofGateway, ofManager := freeAddress(t), freeAddress(t)
	g := startGateway(t, "--metrics-bind-address="+ofGateway, "--metrics-auth")
	startManager(t, g, "--metrics-bind-address="+ofManager, "--metrics-auth")
	may, mayNot := g.account(g.namespace, "may"), g.account(g.namespace, "may-not")
	allowMetrics(g, "may")
	for process, c := range map[string]struct{ address, series string }{
		"gateway": {ofGateway, "\nuploads_total{"},
		"manager": {ofManager, "\nprocessing_jobs_total{"},
	} {
		t.Run(process, func(t *testing.T) {
			controlplane.Eventually(t, "the account to read metrics", func(ctx context.Context) (bool, error) {
				status, body, err := scrapeTLS(ctx, c.address, may)
				return status == http.StatusOK && strings.Contains(body, c.series), err
			})
			for who, refused := range map[string]struct {
				token  string
				status int
			}{
				"nobody":             {"", http.StatusUnauthorized},
				"an unknown token":   {"x", http.StatusInternalServerError}, // so controller-runtime says it
				"who may not see it": {mayNot, http.StatusForbidden},
			} {
				status, body, err := scrapeTLS(t.Context(), c.address, refused.token)
				if err != nil {
					t.Fatal(err)
				}
				if status != refused.status || strings.Contains(body, "_total") {
					t.Errorf("%s gets %d %q, want %d", who, status, body, refused.status)
				}
			}
			response, err := http.Get("http://" + c.address + "/metrics")
			if err == nil {
				defer response.Body.Close()
				if response.StatusCode == http.StatusOK {
					t.Error("metrics are served without TLS, where a token could be read on its way")
				}
			}
		})
	}
	if status := g.call(http.MethodGet, "http://"+g.address+"/metrics", nil, may, nil); status != http.StatusNotFound {
		t.Errorf("the API's port answers /metrics with %d, want 404", status)
	}
}

// allowMetrics gives an account of the gateway's namespace the right that the chart's role has.
func allowMetrics(g *gateway, account string) {
	g.t.Helper()
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: g.namespace + "-metrics"},
		Rules:      []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: role.ObjectMeta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: g.namespace, Name: account}},
	}
	if err := g.cp.Client.Create(g.t.Context(), role); err != nil {
		g.t.Fatal(err)
	}
	if err := g.cp.Client.Create(g.t.Context(), binding); err != nil {
		g.t.Fatal(err)
	}
}

func scrapeTLS(ctx context.Context, address, token string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/metrics", nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // it signs its certificate itself
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// startManager runs a manager as a program beside a gateway.
func startManager(t *testing.T, g *gateway, flags ...string) {
	t.Helper()
	program := filepath.Join(programs, "manager")
	if out, err := exec.Command("go", "build", "-o", program, "bricklayers.dev/bricklayers/cmd/manager").CombinedOutput(); err != nil {
		t.Fatalf("build the manager: %v\n%s", err, out)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := writeKubeconfig(kubeconfig, g.cp.Config); err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	manager := exec.Command(program, append([]string{
		"--namespace=" + g.namespace, "--leader-elect=false", "--health-probe-bind-address=0", "--queue-bind-address=0",
	}, flags...)...)
	manager.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	manager.Stdout, manager.Stderr = log, log
	if err := manager.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = manager.Process.Kill() // it may have ended by itself
		_ = manager.Wait()
		if t.Failed() {
			t.Logf("the manager's log:\n%s", log)
		}
	})
}
