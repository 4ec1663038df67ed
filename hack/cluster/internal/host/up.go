// Package host is the outside of a cluster: it starts the node, connects it, and takes it away again.
package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bricklayers.dev/bricklayers/hack/cluster/internal/addons"
	"bricklayers.dev/bricklayers/hack/cluster/internal/forward"
	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
	"bricklayers.dev/bricklayers/hack/cluster/internal/node"
)

// Say tells the person who waits what happens.
type Say func(format string, args ...any)

// Up starts the cluster, unless it runs, and the forwards that are missing. What is left of a cluster that does not
// answer any more is removed first; one that could not be started, or was interrupted, is removed again.
func Up(ctx context.Context, l layout.Layout, rules []forward.Rule, say Say) error {
	if err := requireRoot(); err != nil {
		return err
	}
	unlock, err := lock(l)
	if err != nil {
		return err
	}
	defer unlock()
	if err := requirePrograms(l); err != nil {
		return err
	}
	running, err := checkRunning(ctx, l, say)
	if err != nil {
		return err
	}
	if !running {
		if err := remove(ctx, l); err != nil {
			return fmt.Errorf("remove what is left of cluster %s: %w", l.Name, err)
		}
		if err := start(ctx, l, say); err != nil {
			return giveUp(ctx, l, err, say)
		}
	}
	return startForwards(l, rules, say)
}

// requireRoot also keeps a command from seeing nothing, where it merely may not look.
func requireRoot() error {
	if os.Getuid() != 0 {
		return errors.New("a node consists of namespaces, mounts and cgroups: run this as root")
	}
	return nil
}

func requirePrograms(l layout.Layout) error {
	for _, name := range []string{"kube-apiserver", "kubectl", "etcd", "containerd", "runc", "cni/ptp", "ctr",
		"images/pause.tar", "images/coredns.tar"} {
		if _, err := os.Stat(l.Program(name)); err != nil {
			return fmt.Errorf("%w; build the node's programs first with the build command", err)
		}
	}
	return nil
}

// giveUp removes the half-started cluster. When it failed by itself, what its programs said is kept and told.
func giveUp(ctx context.Context, l layout.Layout, cause error, say Say) error {
	if ctx.Err() != nil {
		say("interrupted, removing what was started")
		return errors.Join(ctx.Err(), remove(context.WithoutCancel(ctx), l))
	}
	kept := filepath.Join(l.Programs(), "failed-"+l.Name)
	if said, err := os.ReadFile(l.Log("node")); err == nil {
		say("the node said last:\n%s", lastLines(said, 10))
	}
	if err := errors.Join(os.RemoveAll(kept), os.CopyFS(kept, os.DirFS(l.Logs()))); err != nil {
		cause = errors.Join(cause, fmt.Errorf("keep the logs: %w", err))
	} else {
		cause = fmt.Errorf("%w (the logs are kept in %s)", cause, kept)
	}
	return errors.Join(cause, remove(ctx, l))
}

func lastLines(text []byte, count int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

func start(ctx context.Context, l layout.Layout, say Say) error {
	begin := time.Now()
	say("starting, which takes about 15 seconds")
	pid, index, err := startNode(l)
	if err != nil {
		return err
	}
	addresses := layout.NewAddresses(index)
	say("node runs at %s, loading images", addresses.Node)
	images, err := filepath.Glob(filepath.Join(l.Images(), "*.tar"))
	if err != nil {
		return err
	}
	if err := load(ctx, l, pid, images); err != nil {
		return err
	}
	say("waiting for the API server")
	client, err := newClient(l)
	if err != nil {
		return err
	}
	if err := poll(ctx, 2*time.Minute, "the API server", client.apiReady); err != nil {
		return err
	}
	if err := poll(ctx, time.Minute, "the add-ons to be accepted", func(ctx context.Context) error {
		return addons.Apply(ctx, l, addresses)
	}); err != nil {
		return err
	}
	say("waiting for the node and cluster DNS")
	if err := poll(ctx, 2*time.Minute, "the node and cluster DNS", client.ready); err != nil {
		return err
	}
	if err := poll(ctx, 30*time.Second, "a service name to resolve", func(ctx context.Context) error {
		return resolves(ctx, addresses)
	}); err != nil {
		return err
	}
	if err := os.WriteFile(l.Complete(), nil, 0o644); err != nil {
		return err
	}
	say("up after %.0f s: export KUBECONFIG=%s", time.Since(begin).Seconds(), l.Kubeconfig())
	return nil
}

// startNode starts process 1 of the node, connects it to the host and lets it go on.
func startNode(l layout.Layout) (pid, index int, err error) {
	if err := os.MkdirAll(l.Logs(), 0o755); err != nil {
		return 0, 0, err
	}
	if err := makeCgroup(l); err != nil {
		return 0, 0, err
	}
	log, err := os.OpenFile(l.Log("node"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = log.Close() }()
	command := detached(l, log, roleNode)
	command.SysProcAttr.Cloneflags = nodeNamespaces
	settings, err := command.StdinPipe()
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = settings.Close() }() // a node that got no settings ends
	if err := command.Start(); err != nil {
		return 0, 0, fmt.Errorf("start the node: %w", err)
	}
	pid = command.Process.Pid
	if index, err = plugIn(l, pid); err != nil {
		return 0, 0, err
	}
	if err := node.WriteFiles(l, layout.NewAddresses(index), CgroupName(l)); err != nil {
		return 0, 0, err
	}
	if err := json.NewEncoder(settings).Encode(node.Settings{Layout: l, Index: index}); err != nil {
		return 0, 0, fmt.Errorf("tell the node its settings: %w", err)
	}
	return pid, index, nil
}

func startForwards(l layout.Layout, rules []forward.Rule, say Say) error {
	for _, rule := range rules {
		started, err := startForward(l, rule)
		if err != nil {
			return err
		}
		if started {
			say("%s leads to port %d of service %s/%s", rule.Listen, rule.Port, rule.Namespace, rule.Service)
		}
	}
	return nil
}
