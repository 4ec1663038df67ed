package host

import (
	"context"
	"fmt"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// Status says what runs; its error says why the cluster is of no use.
func Status(ctx context.Context, l layout.Layout, say Say) error {
	if err := requireRoot(); err != nil {
		return err
	}
	found, err := processes(l)
	if err != nil {
		return err
	}
	running := false
	for _, p := range found {
		switch p.role {
		case roleNode:
			running = true
			say("node: process %d, logs in %s", p.pid, l.Logs())
		case roleForward:
			say("forward: process %d, %s", p.pid, p.args[len(p.args)-1])
		}
	}
	if !running {
		return fmt.Errorf("cluster %s is not running", l.Name)
	}
	c, err := newClient(l)
	if err != nil {
		return err
	}
	if err := c.ready(ctx); err != nil {
		return fmt.Errorf("cluster %s runs but is not ready: %w", l.Name, err)
	}
	say("ready: export KUBECONFIG=%s", l.Kubeconfig())
	return nil
}
