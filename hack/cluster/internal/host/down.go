package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// Down removes the cluster whatever state it is in, and fails when anything of it is left.
func Down(ctx context.Context, l layout.Layout) error {
	if err := requireRoot(); err != nil {
		return err
	}
	unlock, err := lock(l)
	if err != nil {
		return err
	}
	defer unlock()
	return remove(ctx, l)
}

// remove needs no order: with the node's process 1 go its processes, mounts and network.
func remove(ctx context.Context, l layout.Layout) error {
	if err := requireState(l); err != nil {
		return err
	}
	found, err := processes(l)
	if err != nil {
		return err
	}
	var failed []error
	for _, p := range found {
		failed = append(failed, kill(p, l))
	}
	failed = append(failed, unplug(ctx, l), removeCgroup(ctx, l))
	if err := errors.Join(failed...); err != nil {
		return err
	}
	// On a busy machine a log file was seen to appear while its folder was being removed.
	err = poll(ctx, 5*time.Second, "the state to be removed", func(context.Context) error { return os.RemoveAll(l.State()) })
	return errors.Join(err, leftovers(l))
}

// requireState keeps a mistyped name from deleting a folder of somebody else.
func requireState(l layout.Layout) error {
	entries, err := os.ReadDir(l.State())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state of cluster %s: %w", l.Name, err)
	}
	for _, part := range []string{l.Logs(), l.Config(), l.PKI(), l.Var()} {
		if _, err := os.Stat(part); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s holds something else than a cluster; choose another cluster name", l.State())
}

// leftovers looks once more for everything a cluster consists of.
func leftovers(l layout.Layout) error {
	var left []string
	found, err := processes(l)
	if err != nil {
		return err
	}
	for _, p := range found {
		left = append(left, fmt.Sprintf("process %d (%s)", p.pid, p.role))
	}
	link, err := findLink(l)
	if err != nil {
		return err
	}
	if link != nil {
		left = append(left, "network interface "+link.Attrs().Name)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], l.State()+"/") {
			left = append(left, "mount "+fields[4])
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("left of cluster %s: %s", l.Name, strings.Join(left, ", "))
	}
	return nil
}
