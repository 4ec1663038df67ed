package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
)

// downloadRounds are more than of uploads: both sides have the kernel send the file, so the difference is small, and a
// round is short.
const downloadRounds = 9

// downloadThroughput is against nginx on the same file.
func downloadThroughput(ctx context.Context, b *bench) error {
	return b.withFileGateway(ctx, func(s *server, folder string) error {
		link, key, err := b.finishedJob(ctx, s, folder)
		if err != nil {
			return err
		}
		get := func(url string) func() error {
			return func() error {
				n, err := download(ctx, url)
				if err == nil && n != b.size {
					err = fmt.Errorf("%s had %d bytes instead of %d", url, n, b.size)
				}
				return err
			}
		}
		address, err := b.startNginx(ctx, folder)
		if errors.Is(err, exec.ErrNotFound) {
			fmt.Fprintln(os.Stderr, "bench gateway: there is no nginx, so no floor for downloads; apt-get install nginx-light")
			return nil
		}
		if err != nil {
			return err
		}
		r := &race{
			name: "download_throughput", bytes: b.size, bar: peerBar, rounds: downloadRounds,
			floor: get("http://" + address + "/" + key), gateway: get(s.url() + link),
		}
		return r.run(b)
	})
}

// finishedJob makes a job and what a pod and the manager make of it. It returns where its result can be had, and its key.
func (b *bench) finishedJob(ctx context.Context, s *server, folder string) (link, key string, err error) {
	location, err := upload(ctx, s, newPrint(1<<20), 1<<20)
	if err != nil {
		return "", "", err
	}
	job := &v1alpha1.ProcessingJob{}
	if err := b.kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: path.Base(location)}, job); err != nil {
		return "", "", err
	}
	if key, err = b.storeResult(ctx, folder, string(job.UID)); err != nil {
		return "", "", err
	}
	job.Status.Phase = v1alpha1.PhaseCompleted
	if err := b.kube.Status().Update(ctx, job); err != nil {
		return "", "", err
	}
	link = "/api/v1/download/" + job.Name
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		response, err := http.Head(s.url() + link)
		if err != nil {
			return "", "", err
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return link, key, nil
		}
	}
	return "", "", errors.New("the gateway does not see that the job is completed")
}

func (b *bench) storeResult(ctx context.Context, folder, jobUID string) (key string, err error) {
	const pod, name = "a-pod", "a.gcode"
	store, err := storage.Open(ctx, "file://"+folder, 0)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	key = storage.OutputKey(namespace, jobUID, pod, name)
	writer, err := store.Create(ctx, key)
	if err != nil {
		return "", err
	}
	defer writer.Abort()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(writer, hash), newPrint(b.size)); err != nil {
		return "", err
	}
	if err := writer.Commit(); err != nil {
		return "", err
	}
	file := storage.File{Name: name, Size: b.size, SHA256: hex.EncodeToString(hash.Sum(nil))}
	_, err = store.CommitResult(ctx, namespace, jobUID, &storage.Manifest{PodUID: pod, Input: file, Files: []storage.File{file}})
	return key, err
}

// nginxConfig is Debian's as far as it matters to a download; the user is only heeded of root.
const nginxConfig = `
daemon off;
user root;
worker_processes auto;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 768; }
http {
  sendfile on;
  tcp_nopush on;
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server { listen %s; root %s; }
}
`

// startNginx serves a folder until the context ends. It returns exec.ErrNotFound where there is no nginx.
func (b *bench) startNginx(ctx context.Context, folder string) (address string, err error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		return "", err
	}
	own, err := os.MkdirTemp(b.folder, "nginx-")
	if err != nil {
		return "", err
	}
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	config := filepath.Join(own, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, address, folder), 0o600); err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, program, "-p", own, "-c", config)
	command.Stderr = os.Stderr
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) } // or its workers would stay
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		return "", err
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get("http://" + address); err == nil {
			return address, response.Body.Close()
		}
	}
	return "", errors.New("nginx does not listen")
}
