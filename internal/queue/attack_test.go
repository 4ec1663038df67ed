package queue

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// TestOneNamespaceFillsTheQueue: a thousand jobs of one namespace hold up another's by the jobs that run already, at most.
func TestOneNamespaceFillsTheQueue(t *testing.T) {
	for _, c := range []struct {
		name     string
		limits   Limits
		priority int32 // of the thousand
		freed    int   // places that must become free until the other's job starts
	}{
		{"of the same priority", Limits{MaxActive: 3}, 0, 1},
		{"of the highest priority, where a namespace has a limit", Limits{MaxActive: 3, MaxActivePerNamespace: 2}, 1000, 0},
		// Priorities hold across namespaces: who shares an installation with strangers sets the limit.
		{"of the highest priority, without one", Limits{MaxActive: 3}, 1000, 998},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := New(c.limits, clock.RealClock{})
			q.ObserveProcessor(brickIn("greedy", nil))
			q.ObserveProcessor(brickIn("modest", nil))
			for i := range 1000 {
				q.Observe(waitingJob("greedy", fmt.Sprintf("j%d", i), 1000, c.priority))
			}
			running := admitAll(q)
			q.Observe(waitingJob("modest", "only", 0, 0))
			freed := 0
			for ; ; freed++ {
				for a, ok := q.Next(); ok; a, ok = q.Next() {
					if a.Key.Namespace == "modest" {
						if freed != c.freed {
							t.Errorf("it started after %d others had ended, want %d", freed, c.freed)
						}
						return
					}
					running = append(running, a.Key.String())
				}
				if len(running) == 0 || freed > c.freed {
					t.Fatalf("it did not start although %d others had ended", freed)
				}
				q.Forget(types.UID(running[0])) // the tests make the UID of the name
				running = running[1:]
			}
		})
	}
}
