package manager_test

import (
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/collector"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceID + "-b7ad6b7169203331-01"
)

// tracedJob makes a ProcessingJob that says to belong to a trace.
func (f *fixture) tracedJob(name, traceparent string, change ...func(*v1alpha1.ProcessingJobSpec)) *v1alpha1.ProcessingJob {
	f.Helper()
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{v1alpha1.AnnotationTraceparent: traceparent}},
		Spec: v1alpha1.ProcessingJobSpec{
			Processor: "brick",
			Input:     v1alpha1.Input{ConfigMap: &v1alpha1.ConfigMapInput{Name: "prints", Key: "part.gcode"}},
		},
	}
	for _, c := range change {
		c(&job.Spec)
	}
	f.create(job)
	return job
}

func wantNoSpanTwice(t *testing.T, spans *collector.Collector) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range spans.Spans() {
		if id := string(s.GetSpanId()); seen[id] {
			t.Errorf("the span %s %x was sent twice", s.GetName(), id)
		} else {
			seen[id] = true
		}
	}
}

// TestSpansOfAttempts: each attempt of a job is told by the manager that saw its end, below the same job.
func TestSpansOfAttempts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	spans := collector.Start(t)
	said := &logLines{}
	f.logger = zap.New(zap.WriteTo(said))
	f.processor(func(s *v1alpha1.ProcessorSpec) { s.Pod.Annotations = map[string]string{"team": "print"} })

	f.tracer = spans.Tracer(t)
	stop := f.startManager()
	job := f.tracedJob("job", traceparent, func(s *v1alpha1.ProcessingJobSpec) { s.Retries = ptr.To[int32](1) })
	first := f.child(job, 1)
	f.ends(f.cp.Pod(t, first), "process", 137, "OOMKilled", "")
	f.until("job", "in its second attempt", func(j *v1alpha1.ProcessingJob) bool { return j.Status.Attempts == 2 })
	second := f.child(job, 2)
	stop()
	f.tracer.Shutdown(t.Context())

	f.tracer = spans.Tracer(t)
	stop = f.startManager()
	f.commits(f.until("job", "there", func(*v1alpha1.ProcessingJob) bool { return true }))
	f.ends(f.cp.Pod(t, second), "store", 0, "Completed", "")
	f.untilPhase("job", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted)
	stop()
	f.tracer.Shutdown(t.Context())

	got := spans.Trace(traceID)
	if len(got) != len(spans.Spans()) {
		t.Errorf("%d spans, of which %d in the job's trace", len(spans.Spans()), len(got))
	}
	want := []string{
		"job", "job > attempt", "job > attempt", "job > attempt > fetch", "job > attempt > fetch", "job > attempt > process",
		"job > attempt > process", "job > attempt > store", "job > queue",
	}
	if paths := collector.Paths(got); !slices.Equal(paths, want) {
		t.Errorf("the spans are %q, want %q", paths, want)
	}
	wantNoSpanTwice(t, spans)
	wantFaults(t, got, []string{"attempt out_of_memory", "process OOMKilled"})
	wantTraceparents(t, []*batchv1.Job{first, second})
	wantPodAnnotation(t, first, "team")
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, `"job":"job"`) && !strings.Contains(line, `"trace_id":"`+traceID+`"`) {
			t.Errorf("a line about the job has no trace: %s", line)
		}
	}
}

// wantFaults compares what the spans say went wrong.
func wantFaults(t *testing.T, spans []collector.Span, want []string) {
	t.Helper()
	var got []string
	for _, s := range spans {
		if message := s.GetStatus().GetMessage(); message != "" {
			got = append(got, s.GetName()+" "+message)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("what went wrong is %q, want %q", got, want)
	}
}

// wantTraceparents fails unless every container of every attempt has a span of its own in the trace.
func wantTraceparents(t *testing.T, children []*batchv1.Job) {
	t.Helper()
	seen := map[string]bool{}
	for _, child := range children {
		spec := &child.Spec.Template.Spec
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			if c.Env == nil || c.Env[0].Name != "TRACEPARENT" || !strings.HasPrefix(c.Env[0].Value, "00-"+traceID+"-") || seen[c.Env[0].Value] {
				t.Errorf("%s of %s has the environment %v", c.Name, child.Name, c.Env)
				continue
			}
			seen[c.Env[0].Value] = true
		}
	}
}

// wantPodAnnotation fails unless the trace stands beside what the Processor annotates its pods with.
func wantPodAnnotation(t *testing.T, child *batchv1.Job, key string) {
	t.Helper()
	got := child.Spec.Template.Annotations
	if got[key] == "" || got[v1alpha1.AnnotationTraceparent] == "" || got[v1alpha1.AnnotationTraceparent] != child.Annotations[v1alpha1.AnnotationTraceparent] {
		t.Errorf("the pod has the annotations %v, its Job %v", got, child.Annotations)
	}
}

// TestTraceOfAnybody: whoever makes a job can write anything where its trace stands. What is none is ignored, and one that is
// not sampled is handed on and not sent.
func TestTraceOfAnybody(t *testing.T) {
	t.Parallel()
	const unsampled = "00-" + traceID + "-b7ad6b7169203331-00"
	for name, test := range map[string]struct{ said, carried string }{
		"nonsense":  {said: "$(HOSTNAME)\n"},
		"long":      {said: strings.Repeat("0", 100_000)},
		"zeros":     {said: "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01"},
		"none":      {},
		"unsampled": {said: unsampled, carried: "00-" + traceID + "-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			spans := collector.Start(t)
			f.tracer = spans.Tracer(t)
			stop := f.startManager()
			f.processor()
			job := f.tracedJob("job", test.said)
			child := f.child(job, 1)
			f.commits(f.until("job", "running", func(j *v1alpha1.ProcessingJob) bool { return j.Status.Phase == v1alpha1.PhaseRunning }))
			f.ends(f.cp.Pod(t, child), "store", 0, "Completed", "")
			f.untilPhase("job", v1alpha1.PhaseCompleted, v1alpha1.ReasonCompleted)
			stop()
			f.tracer.Shutdown(t.Context())
			if sent := spans.Spans(); len(sent) > 0 {
				t.Errorf("spans were sent: %v", collector.Paths(sent))
			}
			value, has := child.Annotations[v1alpha1.AnnotationTraceparent]
			if has != (test.carried != "") || !strings.HasPrefix(value, test.carried) || has && !strings.HasSuffix(value, "-00") {
				t.Errorf("the Job says %q", value)
			}
		})
	}
}

// TestCollectorAway: jobs do not wait for a collector that does not answer.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	spans := collector.Start(t)
	f.tracer = spans.Tracer(t)
	spans.Stop()
	f.startManager()
	f.processor()
	job := f.tracedJob("job", traceparent, func(s *v1alpha1.ProcessingJobSpec) { s.TTLSecondsAfterFinished = ptr.To[int32](0) })
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 65, "Error", "")
	f.gone(job)
}
