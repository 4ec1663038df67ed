// Package storagetest runs a real S3 server for tests and benchmarks.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	accessKey = "bricklayers"
	secretKey = "not-a-secret"
	region    = "us-east-1"
	bucket    = "prints"
)

// Server is a versitygw on a folder.
type Server struct {
	Endpoint string
	Root     string // the folder that holds its buckets

	command *exec.Cmd
	log     bytes.Buffer
}

// BucketURL is the address of a bucket that is there, for storage.Open.
func (s *Server) BucketURL() string {
	return "s3://" + bucket + "?" + url.Values{
		"region": {region}, "endpoint": {s.Endpoint}, "use_path_style": {"true"},
	}.Encode()
}

// S3 starts a server with a bucket and sets the environment that storage.Open takes its credentials from. It skips the
// test where the server's program is not there.
func S3(t testing.TB) *Server {
	t.Helper()
	for _, variable := range Environment {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	s, err := Start(t.Context(), t.TempDir(), t.TempDir())
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Environment is what a program needs that opens the bucket.
var Environment = []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey}

// Start runs a server with a bucket on a folder; metadata goes into another, because not every file system has extended
// attributes. It returns exec.ErrNotFound where the server's program is not there.
func Start(ctx context.Context, root, metadata string) (*Server, error) {
	program := program()
	if program == "" {
		return nil, fmt.Errorf("needs the S3 server versitygw: set VERSITYGW to its program, or build "+
			"hack/tools/versitygw to bin/versitygw: %w", exec.ErrNotFound)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	s := &Server{Endpoint: "http://" + address, Root: root}
	s.command = exec.Command(program,
		"--access", accessKey, "--secret", secretKey, "--region", region, "--port", address, "--quiet",
		"posix", "--sidecar", metadata, s.Root)
	s.command.Stdout, s.command.Stderr = &s.log, &s.log
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	if err := s.makeBucket(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("make the bucket: %w; the server's log:\n%s", err, &s.log)
	}
	return s, nil
}

// Stop ends the server.
func (s *Server) Stop() {
	if s.command.ProcessState != nil {
		return
	}
	_ = s.command.Process.Kill()
	_ = s.command.Wait() // killed, so always an error
}

func (s *Server) client() *s3.Client {
	return s3.New(s3.Options{
		Region: region, BaseEndpoint: aws.String(s.Endpoint), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

// UnfinishedUploads counts the multipart uploads that were begun and neither completed nor aborted.
func (s *Server) UnfinishedUploads(t testing.TB) int {
	t.Helper()
	list, err := s.client().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Uploads)
}

// BeginUpload begins a multipart upload, as a process does that is killed then.
func (s *Server) BeginUpload(t testing.TB, key string) {
	t.Helper()
	_, err := s.client().CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: aws.String(bucket), Key: aws.String(key),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *Server) makeBucket(ctx context.Context) error {
	client := s.client()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
		var refused *net.OpError
		if err == nil || !errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond) // it is starting
	}
}

// program finds versitygw: $VERSITYGW, or bin/versitygw of the module.
func program() string {
	if path := os.Getenv("VERSITYGW"); path != "" {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "bin", "versitygw")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}
