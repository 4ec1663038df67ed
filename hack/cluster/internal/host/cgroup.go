package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// CgroupName is the group that holds all pods of the cluster. It follows from the cluster's folder, so that it is found
// again when nothing else of the cluster is left.
func CgroupName(l layout.Layout) string {
	return fmt.Sprintf("/bricklayers-%x", sha256.Sum256([]byte(l.State())))[:len("/bricklayers-")+8]
}

// cgroupMounts lists where cgroup hierarchies are mounted: one on a cgroup v2 machine, one for each controller on v1.
func cgroupMounts() ([]string, error) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var mounts []string
	for line := range strings.Lines(string(content)) {
		// proc(5): mount point is the fifth field, the type of the file system comes after " - ".
		left, right, ok := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		if ok && len(fields) > 4 && strings.HasPrefix(right, "cgroup") {
			mounts = append(mounts, fields[4])
		}
	}
	if len(mounts) == 0 {
		return nil, errors.New("no cgroup file system is mounted; a node cannot run on this machine")
	}
	return mounts, nil
}

// makeCgroup makes the group in every hierarchy: the kubelet refuses to start without.
func makeCgroup(l layout.Layout) error {
	mounts, err := cgroupMounts()
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		if err := os.MkdirAll(filepath.Join(mount, CgroupName(l)), 0o755); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	return nil
}

// removeCgroup removes the group and all below it. The kernel lets go of a group a moment after its last process.
func removeCgroup(ctx context.Context, l layout.Layout) error {
	mounts, err := cgroupMounts()
	if err != nil {
		return err
	}
	return poll(ctx, 20*time.Second, "the cgroups to go", func(context.Context) error {
		for _, mount := range mounts {
			if err := removeTree(filepath.Join(mount, CgroupName(l))); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeTree removes folders only, innermost first: that is how a cgroup is removed, its files cannot be.
func removeTree(root string) error {
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, folder := range slices.Backward(folders) {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
