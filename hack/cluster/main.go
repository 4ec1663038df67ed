// Command clusterctl builds Kubernetes from source and runs it on this machine: one real node with real pods, in
// namespaces of its own, for the demo and the end-to-end tests. It needs Linux, root and no container runtime.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"bricklayers.dev/bricklayers/hack/cluster/internal/build"
	"bricklayers.dev/bricklayers/hack/cluster/internal/forward"
	"bricklayers.dev/bricklayers/hack/cluster/internal/host"
	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
	"bricklayers.dev/bricklayers/hack/cluster/internal/node"
	"bricklayers.dev/bricklayers/hack/cluster/internal/storage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := command().ExecuteContext(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			os.Exit(130)
		}
		fmt.Fprintln(os.Stderr, "clusterctl:", err)
		os.Exit(1)
	}
}

// say tells the person who waits what happens, in the name of the cluster.
func say(l layout.Layout) func(format string, args ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, l.Name+": "+format+"\n", args...)
	}
}

func command() *cobra.Command {
	var root, name string
	command := &cobra.Command{
		Use:           "clusterctl",
		Short:         "Build and run a Kubernetes cluster on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	command.PersistentFlags().StringVar(&root, "root", ".", "the checkout; everything goes below its bin folder")
	command.PersistentFlags().StringVar(&name, "name", "cluster", "the cluster, and its folder below bin")
	where := func() (layout.Layout, error) { return layout.New(root, name) }
	command.AddCommand(buildCommand(where), upCommand(where), downCommand(where), loadCommand(where),
		statusCommand(where), nodeCommand(), forwardCommand(), storageCommand())
	return command
}

func buildCommand(where func() (layout.Layout, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "build [PART...]",
		Short: "Build the programs of the node, Helm and kubectl, as far as they are not up to date",
		RunE: func(command *cobra.Command, parts []string) error {
			l, err := where()
			if err != nil {
				return err
			}
			return build.Run(command.Context(), l, parts, say(l))
		},
	}
}

func upCommand(where func() (layout.Layout, error)) *cobra.Command {
	var forwards []string
	command := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, or say that it runs",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			l, err := where()
			if err != nil {
				return err
			}
			rules := make([]forward.Rule, len(forwards))
			for i, text := range forwards {
				if rules[i], err = forward.ParseRule(text); err != nil {
					return err
				}
			}
			return host.Up(command.Context(), l, rules, say(l))
		},
	}
	command.Flags().StringArrayVar(&forwards, "forward", nil,
		"carry connections to a local address to a Service, as 127.0.0.1:8000=NAMESPACE/SERVICE:PORT; repeatable")
	return command
}

func downCommand(where func() (layout.Layout, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove the cluster and everything it started",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			l, err := where()
			if err != nil {
				return err
			}
			if err := host.Down(command.Context(), l); err != nil {
				return err
			}
			say(l)("is down")
			return nil
		},
	}
}

func loadCommand(where func() (layout.Layout, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "load IMAGE.tar...",
		Short: "Import images into the node",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, tarballs []string) error {
			l, err := where()
			if err != nil {
				return err
			}
			return host.Load(command.Context(), l, tarballs)
		},
	}
}

func statusCommand(where func() (layout.Layout, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether the cluster runs, and what answers where",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			l, err := where()
			if err != nil {
				return err
			}
			return host.Status(command.Context(), l, say(l))
		},
	}
}

func nodeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "node",
		Short:  "Be process 1 of a node (started by up)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return node.Main(command.Context(), command.InOrStdin())
		},
	}
}

func forwardCommand() *cobra.Command {
	var kubeconfig string
	command := &cobra.Command{
		Use:    "forward RULE",
		Short:  "Carry connections to a Service (started by up)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			rule, err := forward.ParseRule(args[0])
			if err != nil {
				return err
			}
			return host.Forward(command.Context(), kubeconfig, rule)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "credentials for the cluster")
	return command
}

func storageCommand() *cobra.Command {
	var kubeconfig, directory, nodeName string
	command := &cobra.Command{
		Use:    "storage",
		Short:  "Provision persistent volumes (started by the node)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return storage.Run(command.Context(), kubeconfig, directory, nodeName)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "credentials for the cluster")
	command.Flags().StringVar(&directory, "directory", "", "where the volumes lie")
	command.Flags().StringVar(&nodeName, "node", "", "the node they belong to")
	return command
}
