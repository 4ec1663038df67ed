package childname

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func job(name string, uid types.UID) *v1alpha1.ProcessingJob {
	return &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid}}
}

func TestForAttemptIsStableAndValid(t *testing.T) {
	for _, name := range []string{"benchy", "a.b", strings.Repeat("x", 52), strings.Repeat("x", 51) + ".y", strings.Repeat("n", 253)} {
		got := ForAttempt(job(name, "uid-1"), 1)
		if errs := validation.IsDNS1123Subdomain(got); len(errs) > 0 || len(got) > 63 {
			t.Errorf("ForAttempt(%q) = %q (%d characters): %v", name, got, len(got), errs)
		}
		if again := ForAttempt(job(name, "uid-1"), 1); again != got {
			t.Errorf("ForAttempt(%q) = %q, then %q", name, got, again)
		}
		if len(name) <= 52 && !strings.HasPrefix(got, name+"-") {
			t.Errorf("ForAttempt(%q) = %q does not start with the job's name", name, got)
		}
	}
}

// The name is part of what pods in a cluster are trusted by; a release must not change it under running jobs.
func TestForAttemptIsPinned(t *testing.T) {
	if got, want := ForAttempt(job("benchy", "5f1c"), 3), "benchy-rniktajder"; got != want {
		t.Errorf("ForAttempt = %q, want %q", got, want)
	}
}

func TestForAttemptDiffersByUIDAndAttempt(t *testing.T) {
	seen := map[string]bool{}
	for _, uid := range []types.UID{"a", "b"} {
		for attempt := range int32(100) {
			name := ForAttempt(job("benchy", uid), attempt)
			if seen[name] {
				t.Fatalf("%s twice", name)
			}
			seen[name] = true
		}
	}
}
