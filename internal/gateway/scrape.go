package gateway

import (
	"net/http"
	"os"

	"github.com/prometheus/procfs"
)

func (g *Gateway) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	g.measureMemory()
	g.scrape.ServeHTTP(w, r)
	return nil
}

// measureMemory sets system_memory_usage_bytes to what the process holds of the machine's memory. Where there is no
// /proc the metric stays 0, as the process metrics of client_golang do.
func (g *Gateway) measureMemory() {
	process, err := procfs.Self()
	if err != nil {
		return
	}
	if stat, err := process.Stat(); err == nil {
		g.metrics.MemoryUsage.Set(float64(stat.RSS * os.Getpagesize()))
	}
}
