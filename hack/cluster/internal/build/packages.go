package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A debianPackage is needed when the file is not there.
type debianPackage struct {
	name  string
	files []string // any of them will do
	why   string
}

var (
	gcc       = debianPackage{"gcc", []string{"/usr/bin/gcc", "/usr/local/bin/gcc"}, "compiles runc"}
	libc      = debianPackage{"libc6-dev", []string{"/usr/include/stdlib.h"}, "compiles runc"}
	pkgConfig = debianPackage{"pkg-config", []string{"/usr/bin/pkg-config"}, "compiles runc"}
	seccomp   = debianPackage{"libseccomp-dev", []string{"/usr/include/seccomp.h"}, "compiles runc"}
	nftables  = debianPackage{"nftables", []string{"/usr/sbin/nft", "/sbin/nft"}, "lets kube-proxy lead to Services"}
)

// installPackages installs what the parts need of Debian's packages and the machine lacks.
func installPackages(ctx context.Context, chosen []part, say Say) error {
	var names, reasons []string
	for _, part := range chosen {
		for _, p := range part.debian {
			if !anyExists(p.files) {
				names = append(names, p.name)
				reasons = append(reasons, p.name+" "+p.why)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	install := append([]string{"install", "--yes", "--no-install-recommends"}, names...)
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return fmt.Errorf("missing: %s; as root on Debian: apt-get update && apt-get %s",
			strings.Join(reasons, ", "), strings.Join(install, " "))
	}
	say("installing Debian packages, a minute: %s", strings.Join(reasons, ", "))
	for _, args := range [][]string{{"update"}, install} {
		if _, err := output(ctx, "/", "env", append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get"},
			args...)...); err != nil {
			return err
		}
	}
	return nil
}

func anyExists(paths []string) bool {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}
