package metrics

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/queue"
)

// TestExemplars: every histogram names the trace of an observation that has one, and none of one that has not.
func TestExemplars(t *testing.T) {
	for _, trace := range []string{"", "0af7651916cd43dd8448eb211c80319c"} {
		registry := prometheus.NewRegistry()
		observeAll(registry, trace)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		histograms := 0
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				if metric.Histogram == nil {
					continue
				}
				histograms++
				var found []string
				for _, bucket := range metric.GetHistogram().GetBucket() {
					for _, label := range bucket.GetExemplar().GetLabel() {
						found = append(found, label.GetName()+"="+label.GetValue())
					}
				}
				if trace == "" && found != nil || trace != "" && !slices.Equal(found, []string{"trace_id=" + trace}) {
					t.Errorf("%s of the trace %q has the examples %q", family.GetName(), trace, found)
				}
			}
		}
		if histograms != 8 {
			t.Errorf("%d histograms, want all 8", histograms)
		}
	}
}

// observeAll raises every histogram once.
func observeAll(registry prometheus.Registerer, trace string) {
	manager := NewManager(registry, func() (QueueDepth, bool) { return QueueDepth{}, false })
	manager.Admitted(queue.Admission{Reason: queue.Reasons[0], Waited: time.Second, EstimateError: time.Second}, trace)
	manager.Started(time.Second, trace)
	now := time.Now()
	file := v1alpha1.File{Size: ptr.To[int64](1000)}
	manager.Finished(&v1alpha1.ProcessingJob{Status: v1alpha1.ProcessingJobStatus{
		Phase: v1alpha1.PhaseCompleted, Reason: v1alpha1.ReasonCompleted, Input: &file,
		Output:    &v1alpha1.Output{Files: []v1alpha1.File{file}},
		StartTime: &metav1.Time{Time: now}, CompletionTime: &metav1.Time{Time: now.Add(time.Second)},
	}}, trace)
	gateway := NewGateway(prefixed(registry), nil)
	gateway.Uploaded(1000, trace)
	gateway.Route("GET", "/x").Observe(200, 0.1, trace)
}

// prefixed keeps the metrics that both programs have apart.
func prefixed(registry prometheus.Registerer) prometheus.Registerer {
	return prometheus.WrapRegistererWithPrefix("gateway_", registry)
}
