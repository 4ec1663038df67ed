// Package metrics declares every metric of the product once. The names, types, labels and buckets in gateway.go and
// manager.go that carry no bricklayers_ prefix are a published contract with operators: changing one breaks their
// dashboards and alerts. Every label value comes from a closed list and exists from the start at zero, so that a ratio
// is never "no data".
package metrics

import (
	"bricklayers.dev/bricklayers/internal/version"
	"github.com/prometheus/client_golang/prometheus"
)

// nativeFactor is the growth from one native histogram bucket to the next: 1.1 is at most 10 % error. Scrapers that ask
// for native histograms get them beside the classic buckets.
const nativeFactor = 1.1

var (
	// sizeBuckets are bytes, decimal as in the contract: 100 KB, 500 KB, 1 MB, 5 MB, 10 MB, 25 MB, 50 MB, 100 MB.
	sizeBuckets = []float64{100e3, 500e3, 1e6, 5e6, 10e6, 25e6, 50e6, 100e6}
	// requestBuckets are seconds.
	requestBuckets = []float64{0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10}
	// processingBuckets are seconds.
	processingBuckets = []float64{1, 5, 10, 30, 60, 120, 300, 600}
)

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func histogramOpts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets, NativeHistogramBucketFactor: nativeFactor}
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(histogramOpts(name, help, buckets))
}

// observe adds an observation, with the trace that it comes from as an example if that is known. Without one it allocates
// nothing.
func observe(into prometheus.Observer, value float64, traceID string) {
	if traceID == "" {
		into.Observe(value)
		return
	}
	into.(prometheus.ExemplarObserver).ObserveWithExemplar(value, prometheus.Labels{"trace_id": traceID})
}

// appInfo is the contract's info metric: a constant 1 that carries the build in its labels.
func appInfo(description string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "app_info",
		Help: "Application metadata",
		ConstLabels: prometheus.Labels{
			"name": "bricklayers", "version": version.Version, "description": description,
		},
	})
	info.Set(1)
	return info
}
