package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/tus/tusd/v2/pkg/filestore"
	tusd "github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog"
)

// servants are the floors that this program is itself, in a process of their own. Each serves a listener and keeps what
// it takes in a folder.
var servants = map[string]func(net.Listener, string) error{"copy": serveCopy, "tusd": serveTusd}

// startFloor runs a servant in a new folder until the context ends.
func (b *bench) startFloor(ctx context.Context, servant string) (address, folder string, err error) {
	if folder, err = os.MkdirTemp(b.folder, servant+"-"); err != nil {
		return "", "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", "", err
	}
	command := exec.CommandContext(ctx, self, servant, folder)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := command.StdoutPipe()
	if err != nil {
		return "", "", err
	}
	if err := command.Start(); err != nil {
		return "", "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line), folder, err
}

func serveFloor(serve func(net.Listener, string) error, folder string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return serve(listener, folder)
}

// serveCopy is the least that takes a file from a socket: io.Copy into a file and a hash.
func serveCopy(listener net.Listener, folder string) error {
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

const tusPath = "/api/v1/uploads/"

// serveTusd is tusd with its own store, as its program has it.
func serveTusd(listener net.Listener, folder string) error {
	composer := tusd.NewStoreComposer()
	filestore.New(folder).UseIn(composer)
	handler, err := tusd.NewHandler(tusd.Config{
		StoreComposer: composer, BasePath: tusPath, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return err
	}
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix(tusPath, handler).ServeHTTP(&likeGateway{w, path.Base(r.URL.Path)}, r)
	}))
}

// likeGateway says what the gateway says and tusd does not, for a client that takes both: where an upload is without the
// host, and when it is done.
type likeGateway struct {
	http.ResponseWriter
	id string
}

func (w *likeGateway) WriteHeader(status int) {
	header := w.Header()
	if location, err := url.Parse(header.Get("Location")); err == nil && location.Path != "" {
		header.Set("Location", location.Path)
	}
	if length := header.Get("Upload-Length"); length != "" && length == header.Get("Upload-Offset") {
		header.Set("Upload-Job-Id", w.id)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *likeGateway) Unwrap() http.ResponseWriter { return w.ResponseWriter }
