// Package node is the inside of a cluster: process 1 of a PID namespace of its own, with mount, network, IPC and UTS
// namespaces of its own too. The node lives exactly as long as that process: when it ends, however it ends, the kernel
// ends every other process of the node, undoes its mounts and removes its network. Nothing has to be hunted down.
package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"syscall"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// Settings are what the node is told on its standard input once the host's side is ready.
type Settings struct {
	Layout layout.Layout
	Index  int // of its addresses
}

// Main runs the node. It returns only with an error.
func Main(ctx context.Context, input io.Reader) error {
	if os.Getpid() != 1 {
		return fmt.Errorf("the node has to be process 1 of its own namespace; use the up command")
	}
	var settings Settings
	// The input ends early when the command that wanted the cluster was interrupted.
	if err := json.NewDecoder(input).Decode(&settings); err != nil {
		return fmt.Errorf("no settings came: %w", err)
	}
	addresses := layout.NewAddresses(settings.Index)
	if err := syscall.Sethostname([]byte(Name)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if err := enterRoot(settings.Layout); err != nil {
		return fmt.Errorf("root file system: %w", err)
	}
	if err := setUpNetwork(addresses); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	log.Printf("cluster %s at %s", settings.Layout.Name, addresses.Node)
	s := &supervisor{layout: settings.Layout, exits: map[int]chan syscall.WaitStatus{}}
	s.run(ctx, daemons(settings.Layout, addresses))
	return ctx.Err()
}
