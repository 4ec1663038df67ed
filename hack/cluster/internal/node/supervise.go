package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// restartDelay keeps a program that cannot start from using the machine up.
const restartDelay = time.Second

// A supervisor starts daemons and starts them again when they end. It is process 1 of the node, so it also inherits and
// reaps whatever the daemons leave behind, such as containerd's shims.
type supervisor struct {
	layout layout.Layout
	mu     sync.Mutex // held while starting, so that no exit is seen before its process is known
	exits  map[int]chan syscall.WaitStatus
}

// run returns only when the context ends; a daemon's end is logged and mended.
func (s *supervisor) run(ctx context.Context, list []daemon) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for _, d := range list {
		go s.keep(ctx, d)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-children:
			s.reap()
		}
	}
}

func (s *supervisor) keep(ctx context.Context, d daemon) {
	for {
		if d.after != "" {
			if err := waitFor(ctx, s.layout, d.after); err != nil {
				log.Printf("%s is not started: %v", d.name, err)
				return
			}
		}
		exit, err := s.start(d)
		if err != nil {
			log.Printf("%s cannot start: %v", d.name, err)
		} else {
			select {
			case <-ctx.Done():
				return
			case status := <-exit:
				log.Printf("%s ended (%s), starting it again; its last words: %s", d.name, describe(status),
					lastLine(s.layout.Log(d.name)))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartDelay):
		}
	}
}

func (s *supervisor) start(d daemon) (<-chan syscall.WaitStatus, error) {
	output, err := os.OpenFile(s.layout.Log(d.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	command := exec.Command(d.path, d.args...)
	command.Stdout, command.Stderr = output, output
	command.Env = []string{"HOME=/root", "PATH=" + s.layout.Programs() + ":/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := command.Start(); err != nil {
		return nil, err
	}
	exit := make(chan syscall.WaitStatus, 1)
	s.exits[command.Process.Pid] = exit
	log.Printf("%s runs as process %d of the node", d.name, command.Process.Pid)
	return exit, command.Process.Release() // reap waits for it, with all the others
}

func (s *supervisor) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid == 0 {
			return
		}
		if exit, ours := s.exits[pid]; ours {
			exit <- status
			delete(s.exits, pid)
		}
	}
}

// lastLine returns what a program said last, as far as that can be told.
func lastLine(file string) string {
	const enough = 2000 // bytes
	output, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = output.Close() }()
	size, err := output.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	tail, err := io.ReadAll(io.NewSectionReader(output, max(0, size-enough), enough))
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(tail), []byte("\n"))
	return string(lines[len(lines)-1])
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal " + status.Signal().String()
	}
	return fmt.Sprintf("status %d", status.ExitStatus())
}
