package host

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
	"bricklayers.dev/bricklayers/hack/cluster/internal/node"
)

// Load imports image tarballs into the running node.
func Load(ctx context.Context, l layout.Layout, tarballs []string) error {
	if err := requireRoot(); err != nil {
		return err
	}
	pid, err := nodeProcess(l)
	if err != nil {
		return err
	}
	if pid == 0 {
		return fmt.Errorf("cluster %s is not running; start it with the up command", l.Name)
	}
	return load(ctx, l, pid, tarballs)
}

func load(ctx context.Context, l layout.Layout, nodePID int, tarballs []string) error {
	socket := fmt.Sprintf("/proc/%d/root%s", nodePID, node.ContainerdSocket)
	if err := poll(ctx, time.Minute, "containerd", func(ctx context.Context) error {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", nodePID)); err != nil {
			return fmt.Errorf("the node has ended, see %s", l.Log("node"))
		}
		var dialer net.Dialer
		connection, err := dialer.DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return connection.Close()
	}); err != nil {
		return err
	}
	for _, tarball := range tarballs {
		ctr := exec.CommandContext(ctx, l.Program("ctr"), "--address", socket, "--namespace", "k8s.io",
			"images", "import", tarball)
		if output, err := ctr.CombinedOutput(); err != nil {
			return fmt.Errorf("load image %s: %w: %s", tarball, err, bytes.TrimSpace(output))
		}
	}
	return nil
}
