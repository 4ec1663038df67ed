package metrics

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// TestEveryReasonIsClassed fails when the API gets a reason that nobody decided about: one a job can end with must have
// its series from the start.
func TestEveryReasonIsClassed(t *testing.T) {
	passing := []string{
		v1alpha1.ReasonQueued, v1alpha1.ReasonSuspended, v1alpha1.ReasonInstallationLimit, v1alpha1.ReasonProcessorLimit,
		v1alpha1.ReasonNamespaceLimit, v1alpha1.ReasonStarting, v1alpha1.ReasonStarted, v1alpha1.ReasonRetrying,
		v1alpha1.ReasonImagePull, v1alpha1.ReasonUnschedulable, v1alpha1.ReasonPodNotCreated,
		v1alpha1.ReasonContainerSetup,
	}
	classed := slices.Sorted(slices.Values(slices.Concat(passing, finalReasons)))
	if declared := declaredReasons(t); !slices.Equal(declared, classed) {
		t.Errorf("the API declares the reasons\n%v\nfinalReasons and this test have\n%v", declared, classed)
	}
}

// declaredReasons reads the values of the Reason constants out of the API's source.
func declaredReasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/processingjob_types.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, value)
		return true
	})
	return slices.Sorted(slices.Values(reasons))
}

func TestFinishedTellsReasonAndTimeInQueue(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	after := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: created.Add(d)} }
	registry := prometheus.NewRegistry()
	m := NewManager(registry, func() (QueueDepth, bool) { return QueueDepth{}, false })
	m.Finished(&v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(created)},
		Status: v1alpha1.ProcessingJobStatus{Phase: v1alpha1.PhaseError, Reason: v1alpha1.ReasonOutOfMemory,
			StartTime: after(7 * time.Second), CompletionTime: after(time.Minute)},
	})
	m.Finished(&v1alpha1.ProcessingJob{ // was never admitted
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(created)},
		Status: v1alpha1.ProcessingJobStatus{Phase: v1alpha1.PhaseError, Reason: v1alpha1.ReasonInvalidParameters,
			CompletionTime: after(time.Minute)},
	})
	if got := testutil.CollectAndCount(m.reasons); got != len(finalReasons) {
		t.Errorf("%d series by reason, want %d", got, len(finalReasons))
	}
	for _, reason := range []string{v1alpha1.ReasonOutOfMemory, v1alpha1.ReasonInvalidParameters} {
		if got := testutil.ToFloat64(m.reasons.WithLabelValues(reason)); got != 1 {
			t.Errorf("%s counted %v times", reason, got)
		}
	}
	want := `
# HELP bricklayers_queue_duration_seconds Time from a job's creation to its admission, seen when the job ends
# TYPE bricklayers_queue_duration_seconds histogram
bricklayers_queue_duration_seconds_bucket{le="1"} 0
bricklayers_queue_duration_seconds_bucket{le="5"} 0
bricklayers_queue_duration_seconds_bucket{le="10"} 1
bricklayers_queue_duration_seconds_bucket{le="30"} 1
bricklayers_queue_duration_seconds_bucket{le="60"} 1
bricklayers_queue_duration_seconds_bucket{le="120"} 1
bricklayers_queue_duration_seconds_bucket{le="300"} 1
bricklayers_queue_duration_seconds_bucket{le="600"} 1
bricklayers_queue_duration_seconds_bucket{le="1800"} 1
bricklayers_queue_duration_seconds_bucket{le="3600"} 1
bricklayers_queue_duration_seconds_bucket{le="+Inf"} 1
bricklayers_queue_duration_seconds_sum 7
bricklayers_queue_duration_seconds_count 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "bricklayers_queue_duration_seconds"); err != nil {
		t.Error(err)
	}
}
