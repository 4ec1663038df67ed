// Package gateway_test runs the gateway and the agent as programs against a real API server: what depends on its tokens,
// its validation, its server-side apply and its watches.
package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/apicheck"
	"bricklayers.dev/bricklayers/test/controlplane"

	// What the programs are made of, so that go test runs again when it changes.
	_ "bricklayers.dev/bricklayers/internal/agent"
	_ "bricklayers.dev/bricklayers/internal/cleanup"
	_ "bricklayers.dev/bricklayers/internal/gateway"
)

var (
	running  *controlplane.ControlPlane
	programs string // folder of the programs under test
)

func TestMain(m *testing.M) {
	code := func() int {
		if os.Getenv("KUBEBUILDER_ASSETS") != "" {
			folder, err := os.MkdirTemp("", "gateway-test-")
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			defer func() { _ = os.RemoveAll(folder) }()
			programs = folder
			build := exec.Command("go", "build", "-o", folder, "bricklayers.dev/bricklayers/cmd/gateway", "bricklayers.dev/bricklayers/cmd/agent")
			if out, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
				return 1
			}
		}
		return controlplane.Main(m, &running)
	}()
	os.Exit(code)
}

// gateway is a gateway that runs as a program.
type gateway struct {
	t         *testing.T
	cp        *controlplane.ControlPlane
	config    *rest.Config // how it reaches the API server
	namespace string
	bucket    string
	address   string // of the API
	pods      string // address of the pod port
	command   *exec.Cmd
	ended     <-chan error
	log       *bytes.Buffer
	checker   *apicheck.Checker // once it is known
}

func startGateway(t *testing.T, flags ...string) *gateway {
	g := newGateway(t)
	g.start(flags...)
	t.Cleanup(g.stop)
	return g
}

// startGatewayBehind starts one that reaches the API server in another way.
func startGatewayBehind(t *testing.T, config *rest.Config, flags ...string) *gateway {
	g := newGateway(t)
	g.config = config
	g.start(flags...)
	t.Cleanup(g.stop)
	return g
}

// newGateway is startGateway without the start.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	cp := controlplane.Require(t, running)
	g := &gateway{t: t, cp: cp, config: cp.Config, namespace: cp.Namespace(t), bucket: filepath.Join(t.TempDir(), "bucket")}
	g.address, g.pods = freeAddress(t), freeAddress(t)
	processor := &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: "brick"},
		Spec: v1alpha1.ProcessorSpec{
			Accepts:   v1alpha1.Accepts{Formats: []string{"gcode"}},
			Container: v1alpha1.ProcessorContainer{Image: "example.com/brick"},
		},
	}
	if err := cp.Client.Create(t.Context(), processor); err != nil {
		t.Fatal(err)
	}
	return g
}

func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// start runs the program and waits until it is ready.
func (g *gateway) start(flags ...string) {
	g.t.Helper()
	kubeconfig := filepath.Join(g.t.TempDir(), "kubeconfig")
	if err := writeKubeconfig(kubeconfig, g.config); err != nil {
		g.t.Fatal(err)
	}
	g.log = &bytes.Buffer{}
	g.command = exec.Command(filepath.Join(programs, "gateway"), append([]string{
		"--namespace=" + g.namespace, "--lease-namespace=" + g.namespace,
		"--bind-address=" + g.address, "--pod-bind-address=" + g.pods, "--bucket=file://" + g.bucket,
	}, flags...)...)
	g.command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	g.command.Stdout, g.command.Stderr = g.log, g.log
	if err := g.command.Start(); err != nil {
		g.t.Fatal(err)
	}
	ended := make(chan error, 1)
	g.ended = ended
	go func() { ended <- g.command.Wait() }()
	controlplane.Eventually(g.t, "the gateway to be ready", func(context.Context) (bool, error) {
		select {
		case err := <-g.ended:
			g.t.Fatalf("the gateway ended with %v; its log:\n%s", err, g.log)
		default:
		}
		response, err := http.Get("http://" + g.address + "/readyz")
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
}

func writeKubeconfig(file string, config *rest.Config) error {
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	c.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	c.CurrentContext = "test"
	return clientcmd.WriteToFile(*c, file)
}

func (g *gateway) stop() {
	if err := g.command.Process.Signal(syscall.SIGTERM); err != nil {
		g.t.Error(err)
	}
	err := <-g.ended
	if err != nil {
		g.t.Errorf("the gateway ended with %v", err)
	}
	if g.t.Failed() {
		g.t.Logf("the gateway's log:\n%s", g.log)
	}
}

// call sends a request and decodes a JSON answer into the value, if one is given.
func (g *gateway) call(method, url string, body io.Reader, token string, into any) int {
	g.t.Helper()
	if token != "" {
		return g.callWith(method, url, body, into, "Authorization", "Bearer "+token)
	}
	return g.callWith(method, url, body, into)
}

// callWith is call with names and values of headers; those without a value are left out.
func (g *gateway) callWith(method, url string, body io.Reader, into any, header ...string) int {
	g.t.Helper()
	request, err := http.NewRequestWithContext(g.t.Context(), method, url, body)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] != "" {
			request.Header.Set(header[i], header[i+1])
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	g.holdAgainstDocument(request, response, content)
	if into != nil {
		if err := json.Unmarshal(content, into); err != nil {
			g.t.Errorf("%s %s answered %d %q: %v", method, url, response.StatusCode, content, err)
		}
	}
	return response.StatusCode
}

// holdAgainstDocument checks an answer of the API against the document that the gateway serves.
func (g *gateway) holdAgainstDocument(request *http.Request, response *http.Response, content []byte) {
	g.t.Helper()
	if request.URL.Host != g.address {
		return
	}
	if g.checker == nil {
		document, err := http.Get("http://" + g.address + "/api/v1/openapi.json")
		if err != nil {
			g.t.Fatal(err)
		}
		defer document.Body.Close()
		read, err := io.ReadAll(document.Body)
		if err == nil {
			g.checker, err = apicheck.New(read)
		}
		if err != nil {
			g.t.Fatalf("the document: %v", err)
		}
	}
	if err := g.checker.Check(request.Method, request.URL.Path, response.StatusCode, response.Header, content); err != nil {
		g.t.Error(err)
	}
}

type view struct {
	JobID  string `json:"job_id"`
	Status string `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Output []struct {
		Name, SHA256 string
		Size         int64
	} `json:"output"`
}

var gcode = "; a print\nG28\nM82\n" + strings.Repeat("G1 X1 Y1 E1\nG92 E0\nG1 X2 Y2 E1\nG92 E0\n", 20)

func (g *gateway) upload(name string) *v1alpha1.ProcessingJob {
	g.t.Helper()
	var v view
	if status := g.call("POST", "http://"+g.address+"/api/v1/upload?name="+name, strings.NewReader(gcode), "", &v); status != 201 {
		g.t.Fatalf("upload answered %d: %+v", status, v)
	}
	return g.job(v.JobID)
}

func (g *gateway) job(name string) *v1alpha1.ProcessingJob {
	g.t.Helper()
	job := &v1alpha1.ProcessingJob{}
	if err := g.cp.Client.Get(g.t.Context(), client.ObjectKey{Namespace: g.namespace, Name: name}, job); err != nil {
		g.t.Fatal(err)
	}
	return job
}

func TestUploadFollowsTheRulesOfTheAPIServer(t *testing.T) {
	g := startGateway(t)
	job := g.upload("a.gcode")
	if job.Status.Phase != v1alpha1.PhasePending {
		t.Errorf("phase %q, want the CRD's default", job.Status.Phase)
	}
	if err := g.cp.Client.Delete(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	controlplane.Eventually(t, "the job to be unknown", func(context.Context) (bool, error) {
		return g.call("GET", "http://"+g.address+"/api/v1/status/"+job.Name, nil, "", nil) == 404, nil
	})
}

func TestSweepDeletesTheFilesOfADeletedJob(t *testing.T) {
	g := startGateway(t)
	kept, deleted := g.upload("kept.gcode"), g.upload("deleted.gcode")
	if err := g.cp.Client.Delete(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-24 * time.Hour)
	for _, job := range []*v1alpha1.ProcessingJob{kept, deleted} {
		file := filepath.Join(g.bucket, "jobs", g.namespace, job.Name, "input", string(job.Spec.Input.Upload.Name))
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}
	g.stop()
	g.start("--sweep-interval=50ms", "--leader-elect=false") // the lease may still be the first one's
	folder := filepath.Join(g.bucket, "jobs", g.namespace)
	controlplane.Eventually(t, "the sweep", func(context.Context) (bool, error) {
		_, err := os.Stat(filepath.Join(folder, deleted.Name))
		return os.IsNotExist(err), nil
	})
	if _, err := os.Stat(filepath.Join(folder, kept.Name, "input", "kept.gcode")); err != nil {
		t.Errorf("the file of a job that exists: %v", err)
	}
}
