// Package promtool finds Prometheus' own programs for tests.
package promtool

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Require returns the path of prometheus or promtool. Where they are missing it installs Debian's package prometheus as
// root, and skips the test otherwise.
func Require(t *testing.T, program string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		t.Skipf("needs %s: install Debian's package prometheus", program)
	}
	defer lock(t)()
	if path, err := exec.LookPath(program); err == nil {
		return path // another package's test has installed it meanwhile
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-qy", "--no-install-recommends", "prometheus"}} {
		if out, err := exec.CommandContext(t.Context(), apt, args...).CombinedOutput(); err != nil {
			t.Skipf("needs %s, and apt-get %v failed: %v\n%s", program, args, err, out)
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("Debian's package prometheus has no %s: %v", program, err)
	}
	return path
}

// lock keeps tests of several packages from installing at once: apt-get fails when its lists are locked.
func lock(t *testing.T) (unlock func()) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(os.TempDir(), "install-prometheus.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { file.Close() }
}
