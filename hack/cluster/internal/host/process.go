package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// marker is the environment variable by which a cluster's processes on the host are known again: the node's process 1
// and the forwarders. Unlike a file with a process number it cannot be stale, and cannot be missing after a crash.
const marker = "BRICKLAYERS_CLUSTER"

// A process is one that this cluster started on the host.
type process struct {
	pid  int
	role string // the subcommand it runs
	args []string
}

const (
	roleNode    = "node"
	roleForward = "forward"
)

// processes lists what runs on the host for the cluster.
func processes(l layout.Layout) ([]process, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil || !marked(pid, l) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(entry, "cmdline"))
		if err != nil {
			continue // it has just ended
		}
		args := bytes.Split(bytes.TrimSuffix(line, []byte{0}), []byte{0})
		if len(args) < 2 {
			continue
		}
		p := process{pid: pid, role: string(args[1])}
		for _, arg := range args[2:] {
			p.args = append(p.args, string(arg))
		}
		found = append(found, p)
	}
	return found, nil
}

func marked(pid int, l layout.Layout) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false // it has just ended, or is a kernel thread's
	}
	return slices.ContainsFunc(bytes.Split(environment, []byte{0}), func(variable []byte) bool {
		return string(variable) == marker+"="+l.State()
	})
}

// nodeProcess returns the process number of the node's process 1, 0 when the node does not run.
func nodeProcess(l layout.Layout) (int, error) {
	found, err := processes(l)
	if err != nil {
		return 0, err
	}
	for _, p := range found {
		if p.role == roleNode {
			return p.pid, nil
		}
	}
	return 0, nil
}

// kill ends the process and waits until it is gone. A process that ended meanwhile, even one whose number was given to
// another since, is left alone.
func kill(p process, l layout.Layout) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", p.pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if !marked(p.pid, l) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d: %w", p.pid, err)
	}
	// The node's process 1 is gone only when all other processes of the node are.
	deadline := time.Now().Add(30 * time.Second)
	for {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		ready, err := unix.Poll(polled, int(time.Until(deadline).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for process %d: %w", p.pid, err)
		case ready == 0:
			return fmt.Errorf("process %d does not end, see /proc/%d/stack", p.pid, p.pid)
		default:
			return nil
		}
	}
}

// detached prepares this very program to run a subcommand in a session of its own, so that neither Ctrl-C nor the end
// of the terminal reaches it.
func detached(l layout.Layout, log *os.File, args ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", args...)
	command.Env = append(os.Environ(), marker+"="+l.State())
	command.Dir = "/"
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return command
}
