package host

import (
	"context"
	"fmt"
	"time"
)

const pollInterval = 200 * time.Millisecond

// poll tries until it works, and says after timeout what was still wrong.
func poll(ctx context.Context, timeout time.Duration, what string, try func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var last error
	for {
		err := try(limited)
		if err == nil {
			return nil
		}
		if limited.Err() == nil || last == nil {
			last = err // of a try that had its time
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limited.Done():
			return fmt.Errorf("waited %s for %s: %w", timeout, what, last)
		case <-ticker.C:
		}
	}
}
