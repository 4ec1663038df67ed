// Package command_test runs the command bricklayers as people do, on a terminal and in a script, against a gateway and a
// manager on a real API server.
package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"bricklayers.dev/bricklayers/test/controlplane"
	"bricklayers.dev/bricklayers/test/prints"
	"bricklayers.dev/bricklayers/test/stack"

	_ "bricklayers.dev/bricklayers/internal/cli" // what the program is made of
)

var (
	running *controlplane.ControlPlane
	program string
)

func TestMain(m *testing.M) {
	code := func() int {
		folder, err := os.MkdirTemp("", "command-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(folder) }()
		program = filepath.Join(folder, "kubectl-bricklayers")
		if out, err := exec.Command("go", "build", "-o", program, "bricklayers.dev/bricklayers/cmd/bricklayers").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
			return 1
		}
		return controlplane.Main(m, &running)
	}()
	os.Exit(code)
}

// shell is where commands are given.
type shell struct {
	t       *testing.T
	gateway string
	dir     string // current folder
	cache   string
}

func newShell(t *testing.T, gateway string) *shell {
	return &shell{t: t, gateway: gateway, dir: t.TempDir(), cache: t.TempDir()}
}

func (s *shell) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(s.t.Context(), program, args...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), "BRICKLAYERS_GATEWAY="+s.gateway, "XDG_CACHE_HOME="+s.cache, "KUBECONFIG=/nowhere", "TERM=xterm")
	return c
}

// run gives a command in a script: its outputs are pipes.
func (s *shell) run(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	c := s.command(args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// file writes a print of so many layers.
func (s *shell) file(name string, layers int) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		s.t.Fatal(err)
	}
	f, err := os.Create(path)
	if err == nil {
		err = prints.Write(f, prints.Options{Dialect: "prusa", Scene: "bushing", Layers: layers}, nil)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shell) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func TestInAScript(t *testing.T) {
	product := stack.Start(t, running)
	s := newShell(t, product.URL)
	s.file("a.gcode", 20)
	s.file("b.gcode", 30)
	s.file("other/a.gcode", 20)
	s.write("poem.gcode", "; no print\nG21\nG0 X0\nG1 X5\nM30\n")

	out, errs, code := s.run("submit", "a.gcode", "b.gcode", "--set", "multiplier=1.08", "-o", "results")
	ids := strings.Fields(out)
	if code != 0 || len(ids) != 2 {
		t.Fatalf("submit ended with %d, %q, %q", code, out, errs)
	}
	if strings.Contains(errs, "\x1b") || !strings.Contains(errs, "a.gcode: done, results/a_brick.gcode\n") {
		t.Errorf("in a script it says %q, want plain lines", errs)
	}
	out, _, code = s.run("download", ids[1], "-o", "-")
	saved, err := os.ReadFile(filepath.Join(s.dir, "results", "b_brick.gcode"))
	if err != nil || code != 0 || out != string(saved) || !strings.Contains(out, "; brick up") {
		t.Errorf("download ended with %d and %d bytes, the saved file has %d: %v", code, len(out), len(saved), err)
	}
	var status struct {
		Status     string
		Parameters map[string]string
	}
	out, _, code = s.run("status", ids[0], "-o", "json")
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 || status.Status != "Completed" || status.Parameters["multiplier"] != "1.08" {
		t.Errorf("status ended with %d: %s (%v)", code, out, err)
	}
	for _, test := range []struct {
		code int
		says string
		args []string
	}{
		{2, "requires at least 1 arg", []string{"submit"}},
		{2, "no such file", []string{"submit", "missing.gcode"}},
		{2, "must be NAME=VALUE", []string{"submit", "a.gcode", "--set", "multiplier"}},
		{2, "unknown flag", []string{"status", "--never"}},
		{2, "unknown command", []string{"bake"}},
		{2, "same name in results", []string{"submit", "a.gcode", "other/a.gcode", "-o", "results"}},
		{3, "from 1 to 1.5", []string{"submit", "a.gcode", "--set", "multiplier=9"}},
		{3, "too few for a print", []string{"submit", "poem.gcode"}},
		{3, "1 of 2 files failed", []string{"submit", "a.gcode", "poem.gcode"}},
		{3, "not listed here", []string{"list"}},
		{4, "there is no job", []string{"status", "nothing"}},
		{4, "there is no job", []string{"cancel", "nothing"}},
		{5, "the file is to blame", []string{"submit", "a.gcode", "-p", "slow", "--set", "seconds=0", "--set", "fails=true", "--wait"}},
		{7, "does not answer", []string{"processors", "--gateway=http://127.0.0.1:1"}},
		{7, "no gateway", []string{"processors", "--gateway="}},
		{0, "", []string{"doctor"}},
		{0, "", []string{"processors"}},
	} {
		out, errs, code := s.run(test.args...)
		if code != test.code || !strings.Contains(errs, test.says) {
			t.Errorf("%q ended with %d, want %d\n%s%s", test.args, code, test.code, out, errs)
		}
	}
	if out, _, _ := s.run("__complete", "submit", "--set", ""); !strings.Contains(out, "multiplier=\tFlow of the inner walls") {
		t.Errorf("completion offers %q", out)
	}
	if out, _, _ := s.run("--help"); !strings.Contains(out, "kubectl bricklayers [command]") {
		t.Errorf("as a plugin it calls itself otherwise: %s", out)
	}
}

func TestCancel(t *testing.T) {
	s := newShell(t, stack.Start(t, running).URL)
	s.file("a.gcode", 20)
	out, errs, code := s.run("submit", "a.gcode", "-p", "slow")
	if code != 0 {
		t.Fatalf("submit: %s", errs)
	}
	id := strings.TrimSpace(out)
	if out, errs, code := s.run("download", id, "-o", "-"); code != 3 || out != "" || strings.Contains(errs, "0 files") {
		t.Errorf("downloading an unfinished job ended with %d: %s%s", code, out, errs)
	}
	if out, errs, code := s.run("cancel", id); code != 0 || !strings.Contains(out, "cancelled") {
		t.Errorf("cancel ended with %d: %s%s", code, out, errs)
	}
	controlplane.Eventually(t, "the job to be gone", func(context.Context) (bool, error) {
		_, _, code := s.run("status", id)
		return code == 4, nil
	})
}

func TestListFromTheCluster(t *testing.T) {
	product := stack.Start(t, running)
	s := newShell(t, product.URL)
	s.file("a.gcode", 20)
	if _, errs, code := s.run("submit", "a.gcode", "--wait"); code != 0 {
		t.Fatalf("submit: %s", errs)
	}
	out, errs, code := s.run("list", "--gateway=", "--kubeconfig="+product.Kubeconfig, "-n", product.Namespace, "--status=Completed")
	if code != 0 || strings.Count(out, "\n") != 2 || !strings.Contains(out, "a.gcode") {
		t.Errorf("list ended with %d: %s%s", code, out, errs)
	}
	out, _, _ = s.run("list", "--gateway=", "--kubeconfig="+product.Kubeconfig, "-n", product.Namespace, "--status=Error", "-o", "json")
	if strings.Join(strings.Fields(out), "") != `{"jobs":[]}` {
		t.Errorf("nothing is listed as %q", out)
	}
}

func TestOnATerminal(t *testing.T) {
	s := newShell(t, stack.Start(t, running).URL)
	s.file("a.gcode", 20)
	c := s.command("submit", "a.gcode", "-p", "slow", "--set", "seconds=0.5", "--wait")
	terminal, err := pty.StartWithSize(c, &pty.Winsize{Rows: 30, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	shown, _ := io.ReadAll(terminal) // a terminal whose program has ended gives an error instead of an end
	if err := c.Wait(); err != nil {
		t.Fatalf("ended with %v: %s", err, shown)
	}
	for _, want := range []string{"a.gcode", "|====", "\x1b[", "running (Start", "done, job "} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("the terminal does not show %q: %q", want, shown)
		}
	}
}

// narrow is a way to the gateway that lets through what it is told to.
type narrow struct {
	address string
	sent    atomic.Int64 // bytes towards the gateway
	limit   atomic.Int64 // of them, after which nothing passes any more
}

func newNarrow(t *testing.T, gateway string) *narrow {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	n := &narrow{address: "http://" + listener.Addr().String()}
	n.limit.Store(1 << 40)
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", strings.TrimPrefix(gateway, "http://"))
			if err != nil {
				_ = from.Close()
				continue
			}
			go n.pass(to, from)
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
	return n
}

func (n *narrow) pass(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		for n.sent.Load() >= n.limit.Load() {
			time.Sleep(time.Millisecond)
		}
		got, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:got]); err != nil {
			return
		}
		n.sent.Add(int64(got))
	}
}

func TestInterruptedAndResumed(t *testing.T) {
	product := stack.Start(t, running)
	way := newNarrow(t, product.URL)
	s := newShell(t, way.address)
	s.file("large.gcode", 1500)
	info, err := os.Stat(filepath.Join(s.dir, "large.gcode"))
	if err != nil || info.Size() < 4<<20 {
		t.Fatalf("the file is too small to be cut: %v", err)
	}
	way.limit.Store(info.Size() / 2)
	c := s.command("submit", "large.gcode")
	var errs bytes.Buffer
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	controlplane.Eventually(t, "half of the file to be sent", func(context.Context) (bool, error) {
		return way.sent.Load() >= info.Size()/2, nil
	})
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 130 || !strings.Contains(errs.String(), "interrupted") {
		t.Fatalf("interrupted, it ended with %d: %s", code, errs.String())
	}
	way.limit.Store(1 << 40)
	way.sent.Store(0)
	out, said, code := s.run("submit", "large.gcode", "--wait")
	if code != 0 {
		t.Fatalf("again, it ended with %d: %s", code, said)
	}
	if sent := way.sent.Load(); sent > info.Size()*6/10 {
		t.Errorf("%d of %d bytes were sent again, want what was missing", sent, info.Size())
	}
	if left, _ := filepath.Glob(filepath.Join(s.cache, "bricklayers", "uploads", "*")); len(left) > 0 {
		t.Errorf("job %s is made, but %v is kept of its upload", strings.TrimSpace(out), left)
	}
}

// TestInterruptedWhileItWaits: the job goes on, so its id must not be lost.
func TestInterruptedWhileItWaits(t *testing.T) {
	product := stack.Start(t, running)
	s := newShell(t, product.URL)
	s.file("a.gcode", 20)
	c := s.command("submit", "a.gcode", "-p", "slow", "--wait")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	id := ""
	controlplane.Eventually(t, "the job to run", func(context.Context) (bool, error) {
		list, _, _ := s.run("list", "--gateway=", "--kubeconfig="+product.Kubeconfig, "-n", product.Namespace, "--status=Running")
		if _, row, ok := strings.Cut(list, "\n"); ok && row != "" {
			id = strings.Fields(row)[0]
		}
		return id != "", nil
	})
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 130 || out.String() != id+"\n" ||
		!strings.Contains(errs.String(), "goes on: bricklayers status --wait "+id) {
		t.Errorf("interrupted, it ended with %d and says %q, %q; the job is %s", code, out.String(), errs.String(), id)
	}
}

func TestOutlivesAGatewayThatRestarts(t *testing.T) {
	product := stack.Start(t, running)
	s := newShell(t, product.URL)
	s.file("a.gcode", 20)
	c := s.command("submit", "a.gcode", "-p", "slow", "--set", "seconds=3", "--wait", "-o", "result.gcode")
	var errs bytes.Buffer
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	controlplane.Eventually(t, "the job to run", func(context.Context) (bool, error) {
		out, _, _ := s.run("list", "--gateway=", "--kubeconfig="+product.Kubeconfig, "-n", product.Namespace, "--status=Running")
		return strings.Contains(out, "a.gcode"), nil
	})
	product.StopGateway()
	product.StartGateway()
	if err := c.Wait(); err != nil {
		t.Fatalf("ended with %v: %s", err, errs.String())
	}
	want, _ := os.ReadFile(filepath.Join(s.dir, "a.gcode"))
	if got, err := os.ReadFile(filepath.Join(s.dir, "result.gcode")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the result has %d bytes: %v", len(got), err)
	}
}
