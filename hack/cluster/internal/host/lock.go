package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// lock keeps two commands from changing the same cluster at once. The kernel releases it with the process.
func lock(l layout.Layout) (unlock func(), err error) {
	if err := os.MkdirAll(l.Bin(), 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(l.Bin(), "."+l.Name+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another command is changing cluster %s; wait for it or stop it", l.Name)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}
