// Package promtool finds Prometheus' own programs for tests.
package promtool

import (
	"os"
	"os/exec"
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
	for _, args := range [][]string{
		{"update", "-q"},
		// Tests of several packages may want it at once.
		{"install", "-qy", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "prometheus"},
	} {
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
