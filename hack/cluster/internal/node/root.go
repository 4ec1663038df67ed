package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// fromHost are the parts of the host's file system that the node's programs need; those a machine lacks are left out.
var fromHost = []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/dev", "/sys"}

// enterRoot gives the node a root file system of its own, so that programs may use the usual places (/var/lib/kubelet,
// /run/containerd) while the host's stay untouched, and two nodes do not meet.
func enterRoot(l layout.Layout) error {
	root := l.NodeRoot()
	// Nothing mounted from here on shows on the host.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("detach mounts from the host: %w", err)
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", root, err)
	}
	for _, dir := range []string{"proc", "run", "tmp", "root"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for _, path := range fromHost {
		if err := show(path, root); err != nil {
			return fmt.Errorf("%s of the host: %w", path, err)
		}
	}
	if err := bind(l.Var(), filepath.Join(root, "var")); err != nil {
		return err
	}
	// Programs, configuration and logs keep their path, so that a command line means the same on both sides.
	// They come after /var, below which the checkout may lie.
	if err := bind(l.Bin(), filepath.Join(root, l.Bin())); err != nil {
		return fmt.Errorf("%s of the host: %w", l.Bin(), err)
	}
	if err := os.Symlink("/run", filepath.Join(root, "var/run")); err != nil {
		return err
	}
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o1777); err != nil {
		return err
	}
	return pivot(root)
}

// show makes a path of the host visible below root: a link as the same link, a folder as itself.
func show(path, root string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(target, filepath.Join(root, path))
	default:
		return bind(path, filepath.Join(root, path))
	}
}

func bind(source, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	return unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

// pivot makes root the root and lets go of the old one.
func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	// With the same folder twice the old root lies on top of the new one, and no folder is needed to put it in.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the host's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// Mount propagation between kubelet and containers needs shared mounts, as on any node.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}
