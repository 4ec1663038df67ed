// Package storagetest runs a real S3 server for tests.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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
	program := program()
	if program == "" {
		t.Skip("needs the S3 server versitygw: set VERSITYGW to its program, or build hack/tools/versitygw to bin/versitygw")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := &Server{Endpoint: "http://" + address, Root: t.TempDir()}
	// Metadata goes into a folder, because not every file system has extended attributes.
	s.command = exec.Command(program,
		"--access", accessKey, "--secret", secretKey, "--region", region, "--port", address, "--quiet",
		"posix", "--sidecar", t.TempDir(), s.Root)
	s.command.Stdout, s.command.Stderr = &s.log, &s.log
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.makeBucket(t)
	return s
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

func (s *Server) makeBucket(t testing.TB) {
	t.Helper()
	client := s.client()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
		if err == nil {
			return
		}
		var refused *net.OpError
		if !errors.As(err, &refused) || ctx.Err() != nil {
			t.Fatalf("make the bucket: %v; the server's log:\n%s", err, &s.log)
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
