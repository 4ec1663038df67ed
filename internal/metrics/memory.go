package metrics

import (
	"os"

	"github.com/prometheus/procfs"
)

// residentMemory is what the process holds of the machine's memory, in bytes. Where there is no /proc it is 0, as the
// process metrics of client_golang are.
func residentMemory() float64 {
	process, err := procfs.Self()
	if err != nil {
		return 0
	}
	stat, err := process.Stat()
	if err != nil {
		return 0
	}
	return float64(stat.RSS * os.Getpagesize())
}
