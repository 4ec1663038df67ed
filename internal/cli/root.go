// Package cli is the command line for people: it speaks to a gateway, by its address or through the API server.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"bricklayers.dev/bricklayers/internal/version"
)

// Streams are where the program reads and writes. Results go to Out, everything that is said about them to Err.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is what the commands share.
type app struct {
	Streams
	kube    *genericclioptions.ConfigFlags
	gateway string // address, or empty: through the cluster
	service string // of the gateway: NAMESPACE/NAME
	output  string // format, or where results go
}

// Run is the program; it returns what to exit with.
func Run(ctx context.Context, args []string, streams Streams) int {
	a := &app{Streams: streams, kube: genericclioptions.NewConfigFlags(true)}
	root := a.root(filepath.Base(args[0]))
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "unknown command") { // cobra has no type for it
		err = withCode(exitUsage, err)
	}
	code := exitCode(err)
	switch {
	case err == nil:
	case code == exitInterrupted:
		fmt.Fprintln(streams.Err, "interrupted")
	default:
		fmt.Fprintf(streams.Err, "error: %v\n", err)
	}
	return code
}

const about = `Send files through Bricklayers and bring the results back.

The gateway is found by --gateway or $BRICKLAYERS_GATEWAY. Without them it is reached through the API server, with your
kubeconfig: a port is forwarded to it while the command runs.

Exit codes: 0 done, 1 failed, 2 the command line, 3 refused (the file, the parameters, or you may not), 4 no such job,
5 the job ended as Error, 6 as Timeout, 7 the gateway does not answer, 130 interrupted.`

func (a *app) root(name string) *cobra.Command {
	root := &cobra.Command{
		Use: "bricklayers", Short: "Send files through Bricklayers", Long: about, Version: version.Version,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	if strings.HasPrefix(name, "kubectl-") {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl bricklayers"}
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	flags := root.PersistentFlags()
	flags.StringVar(&a.gateway, "gateway", os.Getenv("BRICKLAYERS_GATEWAY"),
		"address of the gateway, such as http://localhost:8000 [$BRICKLAYERS_GATEWAY]")
	flags.StringVar(&a.service, "gateway-service", "bricklayers-system/bricklayers-gateway",
		"namespace and name of the gateway's Service, to reach it through the cluster")
	addKubeFlags(a.kube, flags)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return withCode(exitUsage, err) })
	root.AddCommand(a.submit(), a.status(), a.list(), a.logs(), a.cancel(), a.download(), a.processors(), a.doctor())
	for _, c := range root.Commands() {
		c.Args = usage(c.Args)
	}
	return root
}

// addKubeFlags adds those of kubectl's flags that say which cluster, namespace and user.
func addKubeFlags(kube *genericclioptions.ConfigFlags, flags *pflag.FlagSet) {
	kube.CacheDir, kube.APIServer, kube.TLSServerName, kube.Insecure = nil, nil, nil, nil
	kube.CertFile, kube.KeyFile, kube.CAFile, kube.Timeout, kube.DisableCompression = nil, nil, nil, nil, nil
	kube.ImpersonateUID, kube.ImpersonateGroup, kube.ImpersonateUserExtra, kube.ProxyURL = nil, nil, nil, nil
	kube.AddFlags(flags)
	for name, usage := range map[string]string{
		"namespace": "namespace of the jobs; the gateway's own without it",
		"token":     "token for the gateway, if it wants one, and the API server [$BRICKLAYERS_TOKEN, for the gateway only]",
	} {
		flags.Lookup(name).Usage = usage
	}
}

// usage has a wrong number of arguments end as an error of the command line.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return withCode(exitUsage, fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
		}
		return nil
	}
}

// outputFlag adds -o for commands that print.
func (a *app) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "", `json for programs`)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) asJSON() bool { return a.output == "json" }

func (a *app) checkOutput() error {
	if a.output != "" && a.output != "json" {
		return withCode(exitUsage, fmt.Errorf("-o is %q; it can be json", a.output))
	}
	return nil
}

var errNoCluster = errors.New("no gateway: set --gateway, or use a kubeconfig with a cluster that has one")
