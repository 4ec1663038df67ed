package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver is somebody's server that takes webhooks.
type receiver struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	answer   int
	received []event
}

// event is a webhook that came.
type event struct {
	id   string
	Type string `json:"type"`
	Data view   `json:"data"`
}

func newReceiver(t *testing.T, answer int) *receiver {
	r := &receiver{t: t, answer: answer}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL + "/hook"
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		r.t.Error(err)
	}
	verifier, err := standardwebhooks.NewWebhook(webhookSecret)
	if err == nil {
		err = verifier.Verify(body, request.Header)
	}
	e := event{id: request.Header.Get("webhook-id")}
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		r.t.Errorf("a webhook with %v and %s: %v", request.Header, body, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, e)
	w.WriteHeader(r.answer)
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = status
}

func (r *receiver) events() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]event(nil), r.received...)
}

func (r *receiver) await(n int) {
	r.t.Helper()
	controlplane.Eventually(r.t, "webhooks", func(context.Context) (bool, error) { return len(r.events()) >= n, nil })
}

func webhookFlags(t *testing.T) []string {
	t.Helper()
	secrets := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(secrets, []byte(webhookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--webhook-hosts=127.0.0.1", "--webhook-allow-cidrs=127.0.0.0/8", "--webhook-secret-file=" + secrets}
}

// uploadWithHook uploads a file whose end the receiver wants to know.
func (g *gateway) uploadWithHook(r *receiver) *v1alpha1.ProcessingJob {
	g.t.Helper()
	var v view
	url := "http://" + g.address + "/api/v1/upload?name=a.gcode&webhook=" + r.url
	if status := g.call("POST", url, strings.NewReader(gcode), "", &v); status != 201 {
		g.t.Fatalf("upload answered %d: %+v", status, v)
	}
	return g.job(v.JobID)
}

// awaitNotified waits until it is written down what became of a job's webhook.
func (g *gateway) awaitNotified(job, reason string) {
	g.t.Helper()
	controlplane.Eventually(g.t, "the condition Notified", func(context.Context) (bool, error) {
		condition := meta.FindStatusCondition(g.job(job).Status.Conditions, v1alpha1.ConditionNotified)
		return condition != nil && condition.Reason == reason, nil
	})
}

// A receiver that fails at first gets the same event again, from the gateway's next life; and not once it has it.
func TestWebhookOutlivesARestart(t *testing.T) {
	flags := webhookFlags(t)
	g := startGateway(t, flags...)
	r := newReceiver(t, http.StatusInternalServerError)
	job := g.uploadWithHook(r)
	g.finish(job, v1alpha1.PhaseError)
	r.await(1)
	g.stop()
	r.answers(http.StatusNoContent)
	g.start(flags...)
	r.await(2)
	g.awaitNotified(job.Name, v1alpha1.ReasonDelivered)
	g.stop()
	g.start(flags...)
	second := g.uploadWithHook(r) // whose event comes after what a third of the first would
	g.finish(second, v1alpha1.PhaseCompleted)
	g.awaitNotified(second.Name, v1alpha1.ReasonDelivered)
	events := r.events()
	if len(events) != 3 {
		t.Fatalf("%d events: %+v", len(events), events)
	}
	for i, want := range []struct{ id, kind, job, status string }{
		{"msg_" + string(job.UID), "job.error", job.Name, "Error"},
		{"msg_" + string(job.UID), "job.error", job.Name, "Error"},
		{"msg_" + string(second.UID), "job.completed", second.Name, "Completed"},
	} {
		if e := events[i]; e.id != want.id || e.Type != want.kind || e.Data.JobID != want.job || e.Data.Status != want.status {
			t.Errorf("event %d is %+v, want %+v", i, e, want)
		}
	}
	var v struct {
		Webhook struct{ URL, Outcome string }
	}
	g.call("GET", "http://"+g.address+"/api/v1/status/"+job.Name, nil, "", &v)
	if v.Webhook.Outcome != "Delivered" || v.Webhook.URL != r.url {
		t.Errorf("the job says %+v", v)
	}
}

// Of two replicas one delivers, whichever took the upload, and the other goes on when that one leaves.
func TestWebhookOfTwoReplicas(t *testing.T) {
	flags := webhookFlags(t)
	g := startGateway(t, flags...)
	other := &gateway{
		t: t, cp: g.cp, config: g.config, namespace: g.namespace, bucket: g.bucket, address: freeAddress(t), pods: freeAddress(t),
	}
	other.start(flags...)
	t.Cleanup(other.stop)
	r := newReceiver(t, http.StatusOK)
	for i, through := range []*gateway{g, other} {
		job := through.uploadWithHook(r)
		other.finish(job, v1alpha1.PhaseCompleted)
		g.awaitNotified(job.Name, v1alpha1.ReasonDelivered)
		if got := len(r.events()); got != i+1 {
			t.Fatalf("%d events of %d jobs", got, i+1)
		}
	}
	g.stop()
	job := other.uploadWithHook(r)
	other.finish(job, v1alpha1.PhaseTimeout)
	other.awaitNotified(job.Name, v1alpha1.ReasonDelivered)
	if events := r.events(); len(events) != 3 || events[2].Type != "job.timeout" {
		t.Errorf("events: %+v", events)
	}
	g.start(flags...)
}

// A job that was made by hand in a namespace that the gateway does not serve has its webhook told, and nothing else.
func TestWebhookOfAnotherNamespace(t *testing.T) {
	g := startGateway(t, append(webhookFlags(t), "--webhook-all-namespaces")...)
	r := newReceiver(t, http.StatusOK)
	job := &v1alpha1.ProcessingJob{}
	job.Namespace, job.Name, job.Spec = g.cp.Namespace(t), "elsewhere", g.upload("a.gcode").Spec
	job.Spec.Webhook = &v1alpha1.Webhook{URL: r.url}
	if err := g.cp.Client.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	job.Status.Phase = v1alpha1.PhaseCompleted
	if err := g.cp.Client.Status().Update(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	r.await(1)
	controlplane.Eventually(t, "the condition Notified", func(ctx context.Context) (bool, error) {
		err := g.cp.Client.Get(ctx, client.ObjectKeyFromObject(job), job)
		return meta.IsStatusConditionTrue(job.Status.Conditions, v1alpha1.ConditionNotified), err
	})
	if events := r.events(); len(events) != 1 || events[0].id != "msg_"+string(job.UID) {
		t.Errorf("events: %+v", events)
	}
	if status := g.call("GET", "http://"+g.address+"/api/v1/status/elsewhere", nil, "", nil); status != 404 {
		t.Errorf("the job's status is served: %d", status)
	}
}

func TestWebhookMayNotGoAnywhere(t *testing.T) {
	g := startGateway(t, webhookFlags(t)...)
	var problem struct{ Reason string }
	url := "http://" + g.address + "/api/v1/upload?name=a.gcode&webhook=https://example.com/"
	if status := g.call("POST", url, strings.NewReader(gcode), "", &problem); status != 400 || problem.Reason != "webhook_not_allowed" {
		t.Errorf("upload answered %d: %+v", status, problem)
	}
	// kubectl may say what it likes; the gateway does not go there.
	job := g.upload("a.gcode")
	byHand := &v1alpha1.ProcessingJob{}
	byHand.Namespace, byHand.Name, byHand.Spec = g.namespace, "by-hand", job.Spec
	byHand.Spec.Webhook = &v1alpha1.Webhook{URL: "https://example.com/"}
	if err := g.cp.Client.Create(t.Context(), byHand); err != nil {
		t.Fatal(err)
	}
	g.finish(byHand, v1alpha1.PhaseCompleted)
	g.awaitNotified("by-hand", v1alpha1.ReasonNotAllowed)
	byHand.Name, byHand.ResourceVersion, byHand.UID = "nonsense", "", ""
	byHand.Spec.Webhook.URL = "example.com"
	if err := g.cp.Client.Create(t.Context(), byHand); err == nil || !strings.Contains(err.Error(), "absolute https://") {
		t.Errorf("an address that is none: %v", err)
	}
}
