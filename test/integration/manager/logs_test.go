package manager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"
)

// logLines keeps what a manager says.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// about are the events of a job's life that the log tells, in their order.
func (l *logLines) about(t *testing.T, job string) (events []string) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var entry struct {
			Level, Msg, Job, Outcome, Phase, Reason string
			Attempt                                 int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("the log has the line %q: %v", line, err)
		}
		if entry.Job != job {
			continue
		}
		event := entry.Level + " " + entry.Msg
		if entry.Attempt > 0 {
			event += fmt.Sprintf(" %d %s", entry.Attempt, entry.Outcome)
		}
		if entry.Phase != "" {
			event += " " + entry.Phase + " " + entry.Reason
		}
		events = append(events, event)
	}
	return events
}

// TestLogTellsALife: at the default level one line for each event, with the job's id, and nothing that the process said.
func TestLogTellsALife(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	said := &logLines{}
	f.logger = zap.New(zap.WriteTo(said))
	f.startManager()
	f.processor()
	job := f.job("told", func(s *v1alpha1.ProcessingJobSpec) {
		s.Retries, s.TTLSecondsAfterFinished = ptr.To[int32](1), ptr.To[int32](1)
	})
	const secret = "G1 X12.345 of the file"
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 1, "Error", secret)
	f.until("told", "in its second attempt", func(j *v1alpha1.ProcessingJob) bool { return j.Status.Attempts == 2 })
	f.ends(f.cp.Pod(t, f.child(job, 2)), "process", 65, "Error", secret)
	want := []string{
		"info admitted", "info attempt ended 1 failed", "info attempt ended 2 input_rejected",
		"info finished Error InputRejected", "info expired",
	}
	controlplane.Eventually(t, "the job to expire", func(context.Context) (bool, error) {
		return strings.Contains(said.String(), `"msg":"expired"`), nil
	})
	if got := said.about(t, "told"); !slices.Equal(got, want) {
		t.Errorf("the log tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(said.String(), "X12.345") {
		t.Errorf("the log has words of the process in it:\n%s", said)
	}
}
