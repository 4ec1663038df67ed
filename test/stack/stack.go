// Package stack runs the whole product for a test, as programs on a real control plane. There is no node: the
// containers of its pods run as plain processes here, see node.go.
package stack

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"

	// What the programs are made of, so that go test runs again when it changes.
	_ "bricklayers.dev/bricklayers/controllers"
	_ "bricklayers.dev/bricklayers/internal/agent"
	_ "bricklayers.dev/bricklayers/internal/gateway"
	_ "bricklayers.dev/bricklayers/internal/gcode/brick"
)

// Stack is a running gateway and manager, and what takes a node's place.
type Stack struct {
	CP         *controlplane.ControlPlane
	Namespace  string
	URL        string // of the gateway
	Kubeconfig string // file

	t        *testing.T
	programs string // folder
	dir      string
	address  string // of the API
	pods     string // address of the pod port
	queue    string // address of the manager's queue
	env      []string
	gateway  *process
	manager  *process
	ran      map[string][]*process // by program
}

// Start runs the product in a namespace of its own, with the processors "brick" and "slow", until the test ends. env is what
// gateway and manager find in their environment besides that of the test.
func Start(t *testing.T, running *controlplane.ControlPlane, env ...string) *Stack {
	t.Helper()
	cp := controlplane.Require(t, running)
	s := &Stack{CP: cp, t: t, Namespace: cp.Namespace(t), dir: t.TempDir(), env: env, ran: map[string][]*process{},
		address: freeAddress(t), pods: freeAddress(t), queue: freeAddress(t)}
	s.URL, s.Kubeconfig = "http://"+s.address, filepath.Join(s.dir, "kubeconfig")
	var err error
	if s.programs, err = build(); err != nil {
		t.Fatal(err)
	}
	if err := writeKubeconfig(s.Kubeconfig, cp.Config, s.Namespace); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.processors() {
		if err := cp.Client.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	s.StartGateway()
	s.StartManager()
	startNode(s)
	t.Cleanup(func() { s.StopManager(); s.StopGateway() })
	return s
}

// build builds the programs once for all tests of a process, into a folder below bin, and returns the folder.
var build = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	programs := filepath.Join(root, "bin", "test-programs")
	args := []string{"build", "-o", programs + "/"}
	for _, name := range []string{"gateway", "manager", "agent", "brick"} {
		args = append(args, "bricklayers.dev/bricklayers/cmd/"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return programs, nil
})

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// processors are the chart's brick, and one that takes as long as it is told.
func (s *Stack) processors() []*v1alpha1.Processor {
	s.t.Helper()
	root, err := moduleRoot()
	if err != nil {
		s.t.Fatal(err)
	}
	sample, err := os.ReadFile(filepath.Join(root, "config/samples/processor_brick.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	brick := &v1alpha1.Processor{}
	if err := yaml.UnmarshalStrict(sample, brick); err != nil {
		s.t.Fatalf("config/samples/processor_brick.yaml: %v", err)
	}
	brick.Namespace = s.Namespace
	brick.Spec.Pod = v1alpha1.ProcessorPod{} // its service account is the chart's
	slow := &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: "slow"},
		Spec: v1alpha1.ProcessorSpec{
			Description: "Hands a file back after a while",
			Parameters: []v1alpha1.Parameter{
				{Name: "seconds", Type: v1alpha1.ParameterNumber, Default: ptr.To("3600"), Description: "How long it takes",
					Minimum: ptr.To(v1alpha1.Number("0")), Maximum: ptr.To(v1alpha1.Number("3600"))},
				{Name: "fails", Type: v1alpha1.ParameterBoolean, Default: ptr.To("false"), Description: "Whether the file is to blame"},
			},
			Container: v1alpha1.ProcessorContainer{
				Image: "example.com/sh", Command: []string{"sh", "-c"},
				Args: []string{`sleep $PARAM_SECONDS; if [ $PARAM_FAILS = true ]; then echo the file is to blame >&2; exit 65; fi; ` +
					`cp "$INPUT_FILE" "$OUTPUT_DIR"`},
			},
		},
	}
	return []*v1alpha1.Processor{brick, slow}
}

// StartGateway runs the gateway, with its default flags and these, and waits until it is ready.
func (s *Stack) StartGateway(flags ...string) {
	s.t.Helper()
	s.gateway = s.run("gateway", append([]string{
		"--namespace=" + s.Namespace, "--lease-namespace=" + s.Namespace, "--leader-elect=false", "--bind-address=" + s.address,
		"--pod-bind-address=" + s.pods, "--queue-url=http://" + s.queue, "--bucket=file://" + filepath.Join(s.dir, "bucket"),
	}, flags...)...)
	controlplane.Eventually(s.t, "the gateway to be ready", func(context.Context) (bool, error) {
		if s.gateway.ended() {
			s.t.Fatalf("the gateway ended; its log:\n%s", s.gateway.log.String())
		}
		response, err := http.Get(s.URL + "/readyz")
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
}

// StopGateway ends it as a rollout does.
func (s *Stack) StopGateway() { s.gateway.stop(s.t) }

// StartManager runs the manager.
func (s *Stack) StartManager() {
	s.t.Helper()
	s.manager = s.run("manager", "--namespace="+s.Namespace, "--gateway-url=http://"+s.pods, "--leader-elect=false",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--queue-bind-address="+s.queue)
}

// StopManager ends it as a rollout does.
func (s *Stack) StopManager() { s.manager.stop(s.t) }

// Log is what all runs of a program have said, one after the other.
func (s *Stack) Log(program string) string {
	var said strings.Builder
	for _, p := range s.ran[program] {
		said.WriteString(p.log.String())
	}
	return said.String()
}

// process is a program that runs beside the test.
type process struct {
	command *exec.Cmd
	done    chan struct{}
	err     error
	log     lockedBuffer
}

func (s *Stack) run(name string, args ...string) *process {
	s.t.Helper()
	p := &process{command: exec.Command(filepath.Join(s.programs, name), args...), done: make(chan struct{})}
	p.command.Env = append(append(os.Environ(), "KUBECONFIG="+s.Kubeconfig), s.env...)
	s.ran[name] = append(s.ran[name], p)
	p.command.Stdout, p.command.Stderr = &p.log, &p.log
	if err := p.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.done)
	}()
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("the %s's log:\n%s", name, p.log.String())
		}
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	if p.ended() {
		return
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	<-p.done
	if p.err != nil {
		t.Errorf("%s ended with %v", p.command.Path, p.err)
	}
}

// lockedBuffer is a buffer that a process writes to while the test may read it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // it was only to find the port
	return listener.Addr().String()
}

func writeKubeconfig(file string, config *rest.Config, namespace string) error {
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	c.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test", Namespace: namespace}
	c.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}
