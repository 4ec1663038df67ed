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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
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

// pod makes what the manager and the Job controller make of an attempt, as far as the gateway looks at it.
func (g *gateway) pod(job *v1alpha1.ProcessingJob, change func(*corev1.Pod)) *corev1.Pod {
	g.t.Helper()
	child := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: childname.ForAttempt(job, 1)},
		Spec: batchv1.JobSpec{
			ManagedBy: ptr.To("example.com/this-test"), // or the Job controller lets go of pods that it did not make
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "store", Image: "example.com/agent"}},
			}},
		},
	}
	err := g.cp.Client.Create(g.t.Context(), child)
	if apierrors.IsAlreadyExists(err) {
		err = g.cp.Client.Get(g.t.Context(), client.ObjectKeyFromObject(child), child)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: job.Namespace, GenerateName: "attempt-",
			Labels: map[string]string{
				childname.LabelJob: job.Name, childname.LabelJobUID: string(job.UID), childname.LabelAttempt: "1",
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "batch/v1", Kind: "Job", Name: child.Name, UID: child.UID, Controller: ptr.To(true),
			}},
		},
		Spec: child.Spec.Template.Spec,
	}
	if change != nil {
		change(pod)
	}
	if err := g.cp.Client.Create(g.t.Context(), pod); err != nil {
		g.t.Fatal(err)
	}
	return pod
}

// token asks the API server for what the kubelet would mount into the pod.
func (g *gateway) token(pod *corev1.Pod, audience string) string {
	g.t.Helper()
	clients, err := kubernetes.NewForConfig(g.cp.Config)
	if err != nil {
		g.t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}
	if pod != nil {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}
	}
	var token string
	controlplane.Eventually(g.t, "the default service account", func(ctx context.Context) (bool, error) {
		answer, err := clients.CoreV1().ServiceAccounts(g.namespace).CreateToken(ctx, "default", request, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		token = answer.Status.Token
		return true, nil
	})
	return token
}

// agent runs the agent with a pod's token.
func (g *gateway) agent(data, token string, args ...string) (output string, code int) {
	g.t.Helper()
	tokenFile := filepath.Join(g.t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		g.t.Fatal(err)
	}
	command := exec.CommandContext(g.t.Context(), filepath.Join(programs, "agent"),
		append(args, "--gateway=http://"+g.pods, "--data="+data, "--token-file="+tokenFile)...)
	out, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		g.t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

func (g *gateway) fetch(job *v1alpha1.ProcessingJob, token string) (data string) {
	g.t.Helper()
	data = g.t.TempDir()
	in := job.Spec.Input.Upload
	out, code := g.agent(data, token, "fetch", "--name="+string(in.Name), "--upload",
		"--size="+strconv.FormatInt(*in.Size, 10), "--sha256="+string(in.SHA256))
	if code != 0 {
		g.t.Fatalf("fetch ended with %d: %s", code, out)
	}
	return data
}

func TestUploadFetchStoreDownload(t *testing.T) {
	g := startGateway(t)
	job := g.upload("benchy.gcode")
	if got := g.call("GET", "http://"+g.address+"/api/v1/download/"+job.Name, nil, "", nil); got != 409 {
		t.Errorf("download before the end answered %d, want 409", got)
	}
	g.stop() // the gateway restarts between upload and fetch
	g.start()

	token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	data := g.fetch(job, token)
	if content, err := os.ReadFile(filepath.Join(data, "in", "benchy.gcode")); err != nil || string(content) != gcode {
		t.Fatalf("fetched %q: %v", content, err)
	}
	out, code := g.agent(data, token, "store")
	if code != 1 || !strings.Contains(out, "left no file") {
		t.Errorf("store without outputs ended with %d: %s", code, out)
	}
	result := filepath.Join(data, "out", "benchy brick ä.gcode")
	if err := os.WriteFile(result, []byte(gcode+"; done\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := g.agent(data, token, "store"); code != 0 {
		t.Fatalf("store ended with %d: %s", code, out)
	}
	if out, code := g.agent(data, token, "store"); code != 0 {
		t.Errorf("store again ended with %d: %s", code, out)
	}
	job = g.job(job.Name)
	if job.Status.Phase != v1alpha1.PhasePending || job.Status.Output == nil || len(job.Status.Output.Files) != 1 ||
		job.Status.Input == nil || job.Status.Input.Name != "benchy.gcode" {
		t.Errorf("status after the commit: %+v", job.Status)
	}
	g.finish(job, v1alpha1.PhaseCompleted)
	response, err := http.Get("http://" + g.address + "/api/v1/download/" + job.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || string(content) != gcode+"; done\n" {
		t.Errorf("downloaded %q: %v", content, err)
	}
}

// finish does what the manager does at the end, and waits until the gateway has seen it.
func (g *gateway) finish(job *v1alpha1.ProcessingJob, phase v1alpha1.Phase) {
	g.t.Helper()
	seen := make(chan string, 1)
	go func() {
		var v view
		g.call("GET", "http://"+g.address+"/api/v1/status/"+job.Name+"?wait=50s", nil, "", &v)
		seen <- v.Status
	}()
	started := time.Now()
	job.Status.Phase = phase
	if err := g.cp.Client.Status().Update(g.t.Context(), job); err != nil {
		g.t.Fatal(err)
	}
	if got := <-seen; got != string(phase) || time.Since(started) > 40*time.Second {
		g.t.Fatalf("the gateway saw %q after %s, want %s at once", got, time.Since(started), phase)
	}
}

func TestSecondPodKeepsTheFirstResult(t *testing.T) {
	g := startGateway(t)
	job := g.upload("a.gcode")
	for i, content := range []string{"first", "second"} {
		token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
		data := g.fetch(job, token)
		if err := os.WriteFile(filepath.Join(data, "out", "result.gcode"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, code := g.agent(data, token, "store"); code != 0 {
			t.Fatalf("pod %d: store ended with %d: %s", i+1, code, out)
		}
	}
	if size := *g.job(job.Name).Status.Output.Files[0].Size; size != int64(len("first")) {
		t.Errorf("the result has %d bytes, want the first pod's", size)
	}
}

func TestNoResultForAFinishedJob(t *testing.T) {
	g := startGateway(t)
	job := g.upload("a.gcode")
	token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	data := g.fetch(job, token)
	if err := os.WriteFile(filepath.Join(data, "out", "late.gcode"), []byte("late"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.finish(job, v1alpha1.PhaseTimeout)
	out, code := g.agent(data, token, "store")
	if code != 1 || !strings.Contains(out, "job_finished") {
		t.Errorf("store ended with %d: %s", code, out)
	}
	if status := g.job(job.Name).Status; status.Output != nil || status.Phase != v1alpha1.PhaseTimeout {
		t.Errorf("status: %+v", status)
	}
}

func TestPodPortBelievesOnlyTheJobsPod(t *testing.T) {
	g := startGateway(t)
	job, other := g.upload("a.gcode"), g.upload("b.gcode")
	gone := g.pod(job, nil)
	goneToken := g.token(gone, v1alpha1.GatewayAudience)
	if err := g.cp.Client.Delete(t.Context(), gone, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	forged := func(change func(*corev1.Pod)) string { return g.token(g.pod(job, change), v1alpha1.GatewayAudience) }
	for name, test := range map[string]struct {
		token  string
		status int
	}{
		"no token":              {"", 401},
		"no token at all":       {"nonsense", 401},
		"another audience":      {g.token(g.pod(job, nil), "someone-else"), 401},
		"a pod that is gone":    {goneToken, 401},
		"bound to no pod":       {g.token(nil, v1alpha1.GatewayAudience), 403},
		"no labels":             {forged(func(p *corev1.Pod) { p.Labels = nil }), 403},
		"labels of another job": {forged(func(p *corev1.Pod) { p.Labels[childname.LabelJob] = other.Name }), 403},
		"labels and UID of another": {forged(func(p *corev1.Pod) {
			p.Labels[childname.LabelJob] = other.Name
			p.Labels[childname.LabelJobUID] = string(other.UID)
		}), 403},
		"another attempt":              {forged(func(p *corev1.Pod) { p.Labels[childname.LabelAttempt] = "2" }), 403},
		"no owner":                     {forged(func(p *corev1.Pod) { p.OwnerReferences = nil }), 403},
		"an owner that is no Job":      {forged(func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "ReplicaSet" }), 403},
		"a job that does not exist":    {forged(func(p *corev1.Pod) { p.Labels[childname.LabelJob] = "missing" }), 401},
		"the pod that it was made for": {forged(nil), 200},
	} {
		t.Run(name, func(t *testing.T) {
			if got := g.call("GET", "http://"+g.pods+"/pod/v1/input", nil, test.token, nil); got != test.status {
				t.Errorf("answered %d, want %d", got, test.status)
			}
		})
	}
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
