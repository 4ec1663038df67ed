// Command gateway serves the HTTP API, and the jobs' pods on a second port.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"bricklayers.dev/bricklayers/internal/tracing"
)

func main() {
	if err := run(ctrl.SetupSignalHandler(), os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "gateway: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.log)))
	o.gateway.Tracer, err = tracing.Setup(ctx, "bricklayers-gateway", ctrl.Log.WithName("tracing"))
	if err != nil {
		return err
	}
	defer o.gateway.Tracer.Shutdown(ctx)
	giveBackStart()
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	return serve(ctx, o, config)
}
