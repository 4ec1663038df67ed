package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bricklayers.dev/bricklayers/internal/storage/storagetest"
)

// server is a running gateway.
type server struct {
	address   string
	command   *exec.Cmd
	temporary string // its $TMPDIR
}

func (s *server) url() string { return "http://" + s.address }

// withGateway runs a gateway on a bucket while use does.
func (b *bench) withGateway(ctx context.Context, bucketURL string, use func(*server) error, flags ...string) error {
	s, err := b.startGateway(ctx, append(flags, "--bucket="+bucketURL))
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	return use(s)
}

// withFileGateway is withGateway on an empty folder.
func (b *bench) withFileGateway(ctx context.Context, use func(s *server, folder string) error) error {
	folder, err := os.MkdirTemp(b.folder, "bucket-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	return b.withGateway(ctx, "file://"+folder, func(s *server) error { return use(s, folder) })
}

// withS3Gateway is withGateway on an S3 server.
func (b *bench) withS3Gateway(ctx context.Context, use func(s *server, folder string) error, flags ...string) error {
	root, err := os.MkdirTemp(b.folder, "s3-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	metadata, err := os.MkdirTemp(b.folder, "s3-metadata-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(metadata) }()
	s3, err := storagetest.Start(ctx, root, metadata)
	if err != nil {
		return err
	}
	defer s3.Stop()
	return b.withGateway(ctx, s3.BucketURL(), func(s *server) error { return use(s, root) }, flags...)
}

func (b *bench) startGateway(ctx context.Context, flags []string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	temporary, err := os.MkdirTemp(b.folder, "tmp-")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(b.folder, "gateway.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the program has its own
	s := &server{address: address, temporary: temporary}
	s.command = exec.CommandContext(ctx, b.program, append([]string{
		"--namespace=" + namespace, "--leader-elect=false", "--bind-address=" + address, "--pod-bind-address=127.0.0.1:0",
		"--max-upload-size=1Gi",
	}, flags...)...)
	s.command.Env = append(os.Environ(), "KUBECONFIG="+b.kubeconfig, "TMPDIR="+temporary)
	s.command.Env = append(s.command.Env, storagetest.Environment...)
	s.command.Stdout, s.command.Stderr = log, log
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return s, s.command.Start()
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (s *server) stop() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait() // killed, so always an error
}

func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		response, err := http.Get(s.url() + "/readyz")
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

func (s *server) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", s.command.Process.Pid, name)
}

// rss is the memory that the gateway holds, in bytes.
func (s *server) rss() (float64, error) { return s.memory("VmRSS:") }

// peakRSS is the most that it has held.
func (s *server) peakRSS() (float64, error) { return s.memory("VmHWM:") }

func (s *server) memory(field string) (float64, error) {
	status, err := os.ReadFile(s.proc("status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kilobytes, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.ParseFloat(strings.Fields(kilobytes)[0], 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in %s", field, s.proc("status"))
}

// forgetPeak has peakRSS begin again.
func (s *server) forgetPeak() error { return os.WriteFile(s.proc("clear_refs"), []byte("5"), 0) }
