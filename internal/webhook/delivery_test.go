package webhook

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/netguard"
)

// newTestDelivery is a delivery whose receiver answers as told, of one job that ended so long ago.
func newTestDelivery(t *testing.T, status int, ended time.Duration) (*delivery, *v1alpha1.ProcessingJob) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(receiver.Close)
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prints", Name: "a", UID: "uid"},
		Spec:       v1alpha1.ProcessingJobSpec{Processor: "brick", Webhook: &v1alpha1.Webhook{URL: receiver.URL}},
		Status: v1alpha1.ProcessingJobStatus{
			Phase: v1alpha1.PhaseError, CompletionTime: ptr.To(metav1.NewTime(time.Now().Add(-ended))),
		},
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	kube := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(job).WithObjects(job).Build()
	return newDelivery(&Notifier{
		Policy: &Policy{
			Hosts: []string{"127.0.0.1"}, SecretFile: secretFile(t, exampleSecret),
			Guard: netguard.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
		Cached: kube, Live: kube, Metrics: metrics.NewGateway(prometheus.NewRegistry(), nil),
		Describe: func(job *v1alpha1.ProcessingJob) any { return job.Name },
	}), job
}

func TestTurn(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		ended   time.Duration
		reason  string // of the condition; "": it is tried again
		outcome string
	}{
		"received":               {200, time.Minute, v1alpha1.ReasonDelivered, metrics.WebhookDelivered},
		"fails":                  {500, time.Minute, "", metrics.WebhookFailed},
		"fails for a day":        {500, v1alpha1.WebhookPatience, v1alpha1.ReasonGivenUp, metrics.WebhookGivenUp},
		"received after a day":   {200, 2 * v1alpha1.WebhookPatience, v1alpha1.ReasonDelivered, metrics.WebhookDelivered},
		"not wanted any more":    {410, time.Minute, v1alpha1.ReasonGivenUp, metrics.WebhookGivenUp},
		"a host of somebody's":   {0, time.Minute, v1alpha1.ReasonNotAllowed, metrics.WebhookNotAllowed},
		"no secret to sign with": {-1, time.Minute, "", metrics.WebhookFailed},
	} {
		t.Run(name, func(t *testing.T) {
			d, job := newTestDelivery(t, max(test.status, 200), test.ended)
			switch test.status {
			case 0:
				d.Policy.Hosts = []string{"example.com"}
			case -1:
				d.Policy.SecretFile = "/nowhere"
			}
			pause, err := d.turn(t.Context(), jobName(job))
			if (err == nil) != (test.reason != "") {
				t.Errorf("to be tried again: %v", err)
			}
			if err != nil && (pause < 4*time.Second || pause > 6*time.Second) {
				t.Errorf("the first pause is %s", pause)
			}
			if err := d.Live.Get(t.Context(), jobName(job), job); err != nil {
				t.Fatal(err)
			}
			reason := ""
			if condition := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionNotified); condition != nil {
				reason = condition.Reason
			}
			if reason != test.reason {
				t.Errorf("condition %q, want %q", reason, test.reason)
			}
			if got := testutil.ToFloat64(d.Metrics.WebhookTries.WithLabelValues(test.outcome)); got != 1 {
				t.Errorf("%s was counted %v times", test.outcome, got)
			}
		})
	}
}

func TestPausesGrow(t *testing.T) {
	d, job := newTestDelivery(t, 500, 0)
	name, total, tries := jobName(job), time.Duration(0), 0
	for total < v1alpha1.WebhookPatience {
		pause := d.pause(name, errors.New("500"))
		usual := min(firstPause<<min(tries, 20), longestPause)
		if pause < usual*8/10 || pause > usual*12/10 {
			t.Errorf("pause %d is %s, want about %s", tries, pause, usual)
		}
		total += pause
		tries++
	}
	if tries < 25 || tries > 45 {
		t.Errorf("%d tries in a day", tries)
	}
	if pause := d.pause(name, &busyError{after: 48 * time.Hour}); pause != longestPause {
		t.Errorf("a receiver asked for %s", pause)
	}
	d.drop(name)
	if pause := d.pause(name, &busyError{after: time.Minute}); pause != time.Minute {
		t.Errorf("a receiver asked for a minute and got %s", pause)
	}
}

// What could not be written down is not sent again.
func TestVerdictIsKept(t *testing.T) {
	d, job := newTestDelivery(t, 200, 0)
	working := d.Live
	d.Live = failingStatus{working}
	d.add(jobName(job))
	if _, err := d.turn(t.Context(), jobName(job)); err == nil {
		t.Fatal("the status was written")
	}
	d.Live = working
	if _, err := d.turn(t.Context(), jobName(job)); err != nil {
		t.Fatal(err)
	}
	if sent := testutil.ToFloat64(d.Metrics.WebhookTries.WithLabelValues(metrics.WebhookDelivered)); sent != 1 {
		t.Errorf("sent %v times", sent)
	}
	if got := testutil.ToFloat64(d.Metrics.WebhooksPending); got != 1 {
		t.Errorf("%v pending", got)
	}
	d.drop(jobName(job))
	if got := testutil.ToFloat64(d.Metrics.WebhooksPending); got != 0 {
		t.Errorf("%v pending in the end", got)
	}
}

type failingStatus struct{ client.Client }

func (failingStatus) Status() client.SubResourceWriter { return failingWriter{} }

type failingWriter struct{ client.SubResourceWriter }

func (failingWriter) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return errors.New("away")
}

// What another gateway has written down is believed before this one's cache knows it.
func TestTurnReadsPastTheCache(t *testing.T) {
	d, job := newTestDelivery(t, 200, 0)
	stale, _ := newTestDelivery(t, 200, 0)
	d.Cached = stale.Cached
	meta.SetStatusCondition(&job.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionNotified, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonDelivered,
	})
	if err := d.Live.Status().Update(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if _, err := d.turn(t.Context(), jobName(job)); err != nil {
		t.Fatal(err)
	}
	if sent := testutil.ToFloat64(d.Metrics.WebhookTries.WithLabelValues(metrics.WebhookDelivered)); sent != 0 {
		t.Errorf("sent %v times", sent)
	}
}
