package main

import (
	"bufio"
	"context"
	"crypto/sha256"
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
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// startFloor runs, in a process of its own, the least that takes a file from a socket: io.Copy into a file and a hash.
func startFloor(ctx context.Context, folder string) (address string, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, self, "floor", folder)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line), err
}

func runFloor(folder string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	for n := 0; ; n++ {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := takeFile(conn, filepath.Join(folder, strconv.Itoa(n))); err != nil {
				fmt.Fprintln(os.Stderr, "floor:", err)
			}
		}()
	}
}

func takeFile(conn net.Conn, name string) error {
	defer func() { _ = conn.Close() }()
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { _, _ = file.Close(), os.Remove(name) }()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, hash), conn); err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "%x\n", hash.Sum(nil))
	return err
}

// server is a running gateway.
type server struct {
	url    string
	pid    int
	bucket string
}

const namespace = "default"

// startGateway runs an API server and the gateway's program against it.
func startGateway(ctx context.Context, folder string) (*server, func(), error) {
	environment := &envtest.Environment{
		BinaryAssetsDirectory: os.Getenv("KUBEBUILDER_ASSETS"),
		CRDDirectoryPaths:     []string{filepath.Join("config", "crd")},
		ErrorIfCRDPathMissing: true,
	}
	config, err := environment.Start()
	if err != nil {
		return nil, nil, fmt.Errorf("start the API server: %w", err)
	}
	stop := func() { _ = environment.Stop() }
	s, err := runGateway(ctx, environment, folder)
	if err != nil {
		stop()
		return nil, nil, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, nil, err
	}
	kube, err := client.New(config, client.Options{Scheme: scheme})
	if err == nil {
		err = kube.Create(ctx, &v1alpha1.Processor{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "brick"},
			Spec: v1alpha1.ProcessorSpec{
				Accepts:   v1alpha1.Accepts{Formats: []string{"gcode"}},
				Container: v1alpha1.ProcessorContainer{Image: "example.com/brick"},
			},
		})
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return s, stop, s.waitReady(ctx)
}

func runGateway(ctx context.Context, environment *envtest.Environment, folder string) (*server, error) {
	program := filepath.Join(folder, "gateway")
	// As it is built for its image.
	build := exec.CommandContext(ctx, "go", "build", "-tags=disable_grpc_modules", "-trimpath", "-ldflags=-s -w",
		"-o", program, "bricklayers.dev/bricklayers/cmd/gateway")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(kubeconfig, environment.KubeConfig, 0o600); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "gateway.log"))
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + address, bucket: filepath.Join(folder, "bucket")}
	command := exec.CommandContext(ctx, program, "--namespace="+namespace, "--lease-namespace="+namespace,
		"--bind-address="+address, "--pod-bind-address=127.0.0.1:0", "--bucket=file://"+s.bucket, "--max-upload-size=1Gi")
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, err
	}
	s.pid = command.Process.Pid
	return s, nil
}

func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		response, err := http.Get(s.url + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the gateway is not ready: %w", ctx.Err())
}

// peakRSS is the most memory that the gateway has held, in bytes.
func (s *server) peakRSS() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kilobytes, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kilobytes)[0], 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in /proc/%d/status", s.pid)
}

// forgetPeak has peakRSS begin again.
func (s *server) forgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0)
}
