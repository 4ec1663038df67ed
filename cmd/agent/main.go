// Command agent brings a job's input into its pod (fetch) and takes its outputs away (store).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"bricklayers.dev/bricklayers/internal/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := agent.Run(ctx, os.Args[1:])
	stop()
	if err != nil {
		// The pod's terminationMessagePolicy takes the end of the log for the message, so this is what users read.
		fmt.Fprintln(os.Stderr, err)
		os.Exit(agent.ExitCode(err))
	}
}
