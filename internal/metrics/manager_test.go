package metrics

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// TestEveryReasonIsClassed fails when the API gets a reason that nobody decided about: one a job can end with must have
// its series from the start.
func TestEveryReasonIsClassed(t *testing.T) {
	passing := []string{
		"Queued", "Suspended", "InstallationLimit", "ProcessorLimit", "NamespaceLimit", "Kueue", "Starting", "Started",
		"Retrying", "ImagePull", "Unschedulable", "PodNotCreated", "ContainerSetup",
	}
	for _, reason := range declaredReasons(t) {
		if slices.Contains(passing, reason) == slices.Contains(finalReasons, reason) {
			t.Errorf("can a job end with %s? If so it belongs into finalReasons, else into this test", reason)
		}
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
	return reasons
}

func TestFinishedTellsTheReason(t *testing.T) {
	m := NewManager(prometheus.NewRegistry(), func() (QueueDepth, bool) { return QueueDepth{}, false })
	ended := []string{v1alpha1.ReasonOutOfMemory, v1alpha1.ReasonInvalidParameters}
	for _, reason := range ended {
		m.Finished(&v1alpha1.ProcessingJob{
			Status: v1alpha1.ProcessingJobStatus{Phase: v1alpha1.PhaseError, Reason: reason},
		}, "")
	}
	if got := testutil.CollectAndCount(m.reasons); got != len(finalReasons) {
		t.Errorf("%d series by reason, want %d", got, len(finalReasons))
	}
	for _, reason := range ended {
		if got := testutil.ToFloat64(m.reasons.WithLabelValues(reason)); got != 1 {
			t.Errorf("%s counted %v times", reason, got)
		}
	}
}
