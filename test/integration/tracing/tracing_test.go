// Package tracing_test follows a job's trace from its upload to its download, through the programs, a real API server and a
// collector that speaks OTLP.
package tracing_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/test/collector"
	"bricklayers.dev/bricklayers/test/controlplane"
	"bricklayers.dev/bricklayers/test/stack"
)

var running *controlplane.ControlPlane

func TestMain(m *testing.M) { os.Exit(controlplane.Main(m, &running)) }

// What the client of an upload says of its own span.
const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
	traceparent = "00-" + traceID + "-" + clientSpan + "-01"
)

// TestOneTrace: one trace from the upload to the download, although the manager that began the job did not end it, each
// span once and below the one that it belongs to.
func TestOneTrace(t *testing.T) {
	spans := collector.Start(t)
	p := start(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL)
	id := p.upload("traceparent", traceparent)
	p.until(id, "running", func(job *v1alpha1.ProcessingJob) bool { return job.Status.Phase == v1alpha1.PhaseRunning })
	p.StopManager()
	job := p.until(id, "given a result", func(job *v1alpha1.ProcessingJob) bool { return job.Status.Output != nil })
	p.wantCarried(job, traceID)
	child := p.child(job)
	controlplane.Eventually(t, "the Job to be complete", func(ctx context.Context) (bool, error) {
		err := p.CP.Client.Get(ctx, client.ObjectKeyFromObject(child), child)
		return slices.ContainsFunc(child.Status.Conditions, func(c batchv1.JobCondition) bool { return c.Type == batchv1.JobComplete }), err
	})
	p.StartManager()
	p.until(id, "completed", func(job *v1alpha1.ProcessingJob) bool { return job.Status.Phase == v1alpha1.PhaseCompleted })
	p.get("/api/v1/download/" + id)
	p.wantExemplars(traceID)
	p.StopManager()
	p.StopGateway()

	const whole = "POST /api/v1/upload > job"
	const attempt = whole + " > attempt"
	wantPaths(t, spans.Trace(traceID), []string{
		"POST /api/v1/upload",
		"POST /api/v1/upload > GET /api/v1/download/{job_id}",
		whole,
		attempt,
		attempt + " > fetch",
		attempt + " > fetch > GET /pod/v1/input",
		attempt + " > process",
		attempt + " > store",
		attempt + " > store > POST /pod/v1/commit",
		attempt + " > store > POST /pod/v1/outputs/{name}",
		attempt + " > store > PUT /pod/v1/outputs/{name}",
		whole + " > queue",
	})
	wantInside(t, spans.Trace(traceID))
	for _, span := range spans.Spans() {
		if hex.EncodeToString(span.GetTraceId()) != traceID {
			t.Errorf("%s is in a trace of its own", span.GetName())
		}
		if span.GetName() == "POST /api/v1/upload" && hex.EncodeToString(span.GetParentSpanId()) != clientSpan {
			t.Errorf("the upload is below %x, want the client's span", span.GetParentSpanId())
		}
	}
	wantLogged(t, p.Log("gateway"), id, traceID, "created a job", "committed a result")
	wantLogged(t, p.Log("manager"), id, traceID, "admitted", "attempt ended", "finished")
}

// TestOff: without a collector a job has no trace, whatever its client or its maker says.
func TestOff(t *testing.T) {
	p := start(t)
	id := p.upload("traceparent", traceparent)
	done := func(job *v1alpha1.ProcessingJob) bool { return job.Status.Phase == v1alpha1.PhaseCompleted }
	job := p.until(id, "completed", done)
	if value, has := job.Annotations[v1alpha1.AnnotationTraceparent]; has {
		t.Errorf("the ProcessingJob has the trace %q", value)
	}
	p.wantNotCarried(job)
	p.get("/api/v1/download/" + id)
	if scrape := p.scrape(); strings.Contains(scrape, "trace_id") {
		t.Error("a metric has an example")
	}

	// Of one that was made otherwise, with a trace that nobody here follows.
	job = job.DeepCopy()
	job.ObjectMeta.Name, job.ObjectMeta.ResourceVersion, job.ObjectMeta.UID = "by-hand", "", ""
	job.Annotations = map[string]string{v1alpha1.AnnotationTraceparent: traceparent}
	address := "https://127.0.0.1:1/refused.gcode"
	job.Spec.Input, job.Spec.Retries = v1alpha1.Input{URL: &address}, new(int32)
	job.Status = v1alpha1.ProcessingJobStatus{}
	if err := p.CP.Client.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	job = p.until("by-hand", "over", func(job *v1alpha1.ProcessingJob) bool { return job.Status.Phase.Finished() })
	p.wantNotCarried(job)
}

// product is the stack, and a person who uses it.
type product struct {
	*stack.Stack
	t *testing.T
}

func start(t *testing.T, env ...string) *product {
	return &product{stack.Start(t, running, env...), t}
}

func (p *product) do(method, address string, body io.Reader, header ...string) []byte {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+address, body)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		p.t.Fatalf("%s %s: %s, %v\n%s", method, address, response.Status, err, content)
	}
	return content
}

func (p *product) get(address string, header ...string) []byte {
	p.t.Helper()
	return p.do(http.MethodGet, address, nil, header...)
}

// upload makes a job that takes so long that its manager can be stopped meanwhile.
func (p *product) upload(header ...string) (id string) {
	p.t.Helper()
	var answer struct {
		JobID string `json:"job_id"`
	}
	const query = "/api/v1/upload?name=a.gcode&processor=slow&parameters[seconds]=2"
	content := p.do(http.MethodPost, query, strings.NewReader("G28\nG1 X1 Y1 E1\n"), header...)
	if err := json.Unmarshal(content, &answer); err != nil {
		p.t.Fatal(err)
	}
	return answer.JobID
}

func (p *product) until(id, what string, ok func(*v1alpha1.ProcessingJob) bool) *v1alpha1.ProcessingJob {
	p.t.Helper()
	job := &v1alpha1.ProcessingJob{}
	controlplane.Eventually(p.t, "the job to be "+what, func(ctx context.Context) (bool, error) {
		err := p.CP.Client.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: id}, job)
		return err == nil && ok(job), err
	})
	return job
}

func (p *product) child(job *v1alpha1.ProcessingJob) *batchv1.Job {
	p.t.Helper()
	child := &batchv1.Job{}
	key := client.ObjectKey{Namespace: p.Namespace, Name: childname.ForAttempt(job, 1)}
	if err := p.CP.Client.Get(p.t.Context(), key, child); err != nil {
		p.t.Fatal(err)
	}
	return child
}

// carried are the traceparents of what was made for a job, by what has it.
func (p *product) carried(job *v1alpha1.ProcessingJob) map[string]string {
	p.t.Helper()
	pods := &corev1.PodList{}
	err := p.CP.Client.List(p.t.Context(), pods, client.InNamespace(p.Namespace),
		client.MatchingLabels{childname.LabelJobUID: string(job.UID)})
	if err != nil || len(pods.Items) != 1 {
		p.t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	pod := &pods.Items[0]
	found := map[string]string{}
	for what, object := range map[string]client.Object{"Job": p.child(job), "pod": pod} {
		if value, has := object.GetAnnotations()[v1alpha1.AnnotationTraceparent]; has {
			found[what] = value
		}
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, variable := range c.Env {
			if variable.Name == "TRACEPARENT" {
				found[c.Name] = variable.Value
			}
		}
	}
	return found
}

// wantCarried fails unless the job and all that was made for it name the trace, and each container a span of its own.
func (p *product) wantCarried(job *v1alpha1.ProcessingJob, trace string) {
	p.t.Helper()
	found := p.carried(job)
	found["ProcessingJob"] = job.Annotations[v1alpha1.AnnotationTraceparent]
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, []string{"Job", "ProcessingJob", "fetch", "pod", "process", "store"}) {
		p.t.Errorf("the trace is carried by %v", got)
	}
	spans := map[string]bool{}
	for what, value := range found {
		if !strings.HasPrefix(value, "00-"+trace+"-") || !strings.HasSuffix(value, "-01") {
			p.t.Errorf("the %s has the traceparent %q", what, value)
		}
		spans[value] = true
	}
	if len(spans) != 5 { // the pod is its Job's
		p.t.Errorf("they are below %d spans, want 5: %v", len(spans), found)
	}
}

func (p *product) wantNotCarried(job *v1alpha1.ProcessingJob) {
	p.t.Helper()
	if found := p.carried(job); len(found) > 0 {
		p.t.Errorf("a trace is carried: %v", found)
	}
}

func (p *product) scrape() string {
	p.t.Helper()
	return string(p.get("/metrics", "Accept", "application/openmetrics-text; version=1.0.0"))
}

// wantExemplars fails unless the gateway's histograms name the trace as an example.
func (p *product) wantExemplars(trace string) {
	p.t.Helper()
	scrape := p.scrape()
	for _, series := range []string{`upload_file_size_bytes_bucket`, `http_request_duration_seconds_bucket{endpoint="/api/v1/download/{job_id}"`} {
		if !slices.ContainsFunc(strings.Split(scrape, "\n"), func(line string) bool {
			return strings.HasPrefix(line, series) && strings.Contains(line, `# {trace_id="`+trace+`"}`)
		}) {
			p.t.Errorf("%s has no example", series)
		}
	}
}

// wantPaths compares the spans but for requests of a pod that came before the API server knew it, which are repeated.
func wantPaths(t *testing.T, spans []collector.Span, want []string) {
	t.Helper()
	spans = slices.DeleteFunc(slices.Clone(spans), func(s collector.Span) bool { return s.Attribute("error.type") == "not_a_job_pod" })
	slices.Sort(want)
	if got := collector.Paths(spans); !slices.Equal(got, want) {
		t.Errorf("the spans are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// wantInside fails unless what the manager tells lies inside what it is part of.
func wantInside(t *testing.T, spans []collector.Span) {
	t.Helper()
	for _, s := range spans {
		i := slices.IndexFunc(spans, func(other collector.Span) bool { return string(other.GetSpanId()) == string(s.GetParentSpanId()) })
		if s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
			t.Errorf("%s ends before it begins", s.GetName())
		}
		if i < 0 || s.Service != "bricklayers-manager" || spans[i].Service != s.Service {
			continue
		}
		if above := spans[i]; s.GetStartTimeUnixNano() < above.GetStartTimeUnixNano() || s.GetEndTimeUnixNano() > above.GetEndTimeUnixNano() {
			t.Errorf("%s is not inside %s", s.GetName(), above.GetName())
		}
	}
}

// wantLogged fails unless the log has these lines about the job, in this order and no others, each with the trace.
func wantLogged(t *testing.T, log, job, trace string, want ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(log) {
		var entry struct {
			Msg     string
			Job     string
			TraceID string `json:"trace_id"`
		}
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Job != job {
			continue
		}
		got = append(got, entry.Msg)
		if entry.TraceID != trace {
			t.Errorf("the line %q has the trace %q", entry.Msg, entry.TraceID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log tells %q, want %q", got, want)
	}
}
