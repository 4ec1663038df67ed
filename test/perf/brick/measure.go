package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// measureArg makes this program one that runs another and prints how long it took and the memory it held. It is a
// process of its own because Linux counts the memory of the parent, at the moment it starts a child, as the child's.
const measureArg = "-measure"

type measured struct {
	Wall time.Duration
	RSS  int64 // KB
}

// measure runs a program on so many cores.
func measure(cores int, name string, args ...string) (wall time.Duration, rss int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(self, append([]string{measureArg, name}, args...)...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", cores))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, stderr.Bytes())
	}
	var m measured
	if err := json.Unmarshal(out, &m); err != nil {
		return 0, 0, err
	}
	return m.Wall, m.RSS, nil
}

// runMeasured is the other side of measure.
func runMeasured(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return err
	}
	m := measured{Wall: time.Since(start)}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return fmt.Errorf("no resource usage on this system")
	}
	m.RSS = usage.Maxrss
	return json.NewEncoder(os.Stdout).Encode(m)
}
