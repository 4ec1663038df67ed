// Brick makes the layers of sliced prints interlock. See docs/brick.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	// What is held in memory is reused, so there is little garbage and it need not be collected often.
	debug.SetGCPercent(200)
	debug.SetMemoryLimit(48 << 20) // of files with very large layers
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
