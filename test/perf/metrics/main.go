// Command metrics measures what being scraped costs: the time and the number of series of a scrape, with few and with
// many jobs in the queue, and what an upload and a job take to be counted.
//
// It prints a line of JSON for each figure and exits with 1 when one misses its bar.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/gateway"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/test/perf/figure"
)

const (
	maxScrape = 0.005 // seconds, 99th percentile
	maxSeries = 1500
	// maxGrowth is how much slower the median scrape may be with many jobs; more than 1 is noise.
	maxGrowth = 1.5
	few, many = 100, 100_000
)

func main() {
	scrapes := flag.Int("scrapes", 1000, "scrapes of each")
	flag.Parse()
	if err := run(*scrapes); err != nil {
		fmt.Fprintln(os.Stderr, "bench metrics:", err)
		os.Exit(1)
	}
}

func run(scrapes int) error {
	p := &figure.Printer{}
	medians, series := map[int]float64{}, map[int]int{}
	for _, jobs := range []int{few, many} {
		handler := manager(jobs)
		times, count, err := scrape(handler, scrapes)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("manager_%d_jobs", jobs)
		p.AtMost(name+"_scrape_p99", figure.Quantile(times, 0.99), "s", maxScrape)
		p.AtMost(name+"_series", float64(count), "series", maxSeries)
		medians[jobs], series[jobs] = figure.Median(times), count
	}
	p.AtMost("manager_scrape_median_growth", medians[many]/medians[few], "ratio", maxGrowth)
	p.AtMost("manager_series_growth", float64(series[many]-series[few]), "series", 0)
	times, count, err := scrape(gatewayHandler(), scrapes)
	if err != nil {
		return err
	}
	p.AtMost("gateway_scrape_p99", figure.Quantile(times, 0.99), "s", maxScrape)
	p.AtMost("gateway_series", float64(count), "series", maxSeries)
	if err := instrumentation(p); err != nil {
		return err
	}
	return p.Err()
}

// registry gathers what a process exposes: its own families and those of controller-runtime, Go and the process.
type registry struct {
	prometheus.Registerer
	prometheus.Gatherers
}

func newRegistry() registry {
	own := prometheus.NewRegistry()
	return registry{own, prometheus.Gatherers{own, ctrlmetrics.Registry}}
}

// manager serves the metrics of a leading manager whose queue holds a number of jobs.
func manager(jobs int) http.Handler {
	q := queue.New(queue.Limits{MaxActive: 100}, clock.RealClock{})
	const namespaces = 10
	for i := range namespaces {
		q.ObserveProcessor(&v1alpha1.Processor{ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(i), Name: "brick"}})
	}
	for i := range jobs {
		q.Observe(&v1alpha1.ProcessingJob{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespaceOf(i % namespaces), Name: fmt.Sprintf("job-%d", i), UID: types.UID(fmt.Sprint(i)),
				CreationTimestamp: metav1.NewTime(time.Unix(int64(i), 0)),
			},
			Spec: v1alpha1.ProcessingJobSpec{Processor: "brick"},
		})
	}
	for range min(jobs/2, 100) {
		q.Next()
	}
	r := newRegistry()
	metrics.NewManager(r, func() (metrics.QueueDepth, bool) {
		active, pending, unaccounted := q.Depth()
		return metrics.QueueDepth{Active: active, Pending: pending, Waiting: q.Waiting(), Unaccounted: unaccounted}, true
	})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

func namespaceOf(i int) string { return fmt.Sprintf("team-%d", i) }

// gatewayHandler is the gateway's own, so that its routes are those that exist.
func gatewayHandler() http.Handler {
	g := gateway.New(gateway.Options{}, nil, func() bool { return true }, nil, &storage.Store{}, newRegistry())
	g.PodHandler()
	return g.Handler(true)
}

// scrape asks over HTTP, as Prometheus does, and returns how many seconds each scrape took.
func scrape(handler http.Handler, times int) (seconds []float64, series int, err error) {
	server := httptest.NewServer(handler)
	defer server.Close()
	const warmUp = 20
	for i := range times + warmUp {
		began := time.Now()
		body, err := get(server.URL + "/metrics")
		if err != nil {
			return nil, 0, err
		}
		if i >= warmUp {
			seconds = append(seconds, time.Since(began).Seconds())
		}
		series = countSeries(body)
	}
	return seconds, series, nil
}

func get(url string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url, response.Status, body)
	}
	return body, err
}

func countSeries(body []byte) (n int) {
	for line := range bytes.Lines(body) {
		if line[0] != '#' {
			n++
		}
	}
	return n
}
