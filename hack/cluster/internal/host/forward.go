package host

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"bricklayers.dev/bricklayers/hack/cluster/internal/forward"
	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// startForward starts a process that carries connections for the rule; false when there is one already. It listens
// before it lets go of the terminal, so that a port in use is an error here and not a line in a log.
func startForward(l layout.Layout, rule forward.Rule) (bool, error) {
	found, err := processes(l)
	if err != nil {
		return false, err
	}
	for _, p := range found {
		if p.role == roleForward && slices.Contains(p.args, rule.String()) {
			return false, nil
		}
	}
	listener, err := net.Listen("tcp", rule.Listen)
	if err != nil {
		return false, fmt.Errorf("forward %s: %w; end the program that uses the port or choose another", rule, err)
	}
	defer func() { _ = listener.Close() }()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return false, err
	}
	defer func() { _ = socket.Close() }()
	log, err := os.OpenFile(l.Log("forward"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return false, err
	}
	defer func() { _ = log.Close() }()
	command := detached(l, log, roleForward, "--kubeconfig", l.Kubeconfig(), rule.String())
	command.ExtraFiles = []*os.File{socket}
	if err := command.Start(); err != nil {
		return false, fmt.Errorf("forward %s: %w", rule, err)
	}
	return true, command.Process.Release()
}

// firstExtraFile is the number of the first of exec.Cmd's ExtraFiles in the new process.
const firstExtraFile = 3

// Forward is the detached process: it carries connections from the socket it inherited.
func Forward(ctx context.Context, kubeconfig string, rule forward.Rule) error {
	socket := os.NewFile(firstExtraFile, "listener")
	listener, err := net.FileListener(socket)
	if err != nil {
		return fmt.Errorf("no listening socket was inherited (the up command starts forwards): %w", err)
	}
	if err := socket.Close(); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	return forward.Serve(ctx, listener, rule, client)
}
