package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
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
			pause, err := d.turn(t.Context(), &entry{job: job})
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
	uid, total, tries := job.UID, time.Duration(0), 0
	for total < v1alpha1.WebhookPatience {
		pause := d.pause(uid, errors.New("500"))
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
	if pause := d.pause(uid, &busyError{after: 48 * time.Hour}); pause != longestPause {
		t.Errorf("a receiver asked for %s", pause)
	}
	d.drop(uid)
	if pause := d.pause(uid, &busyError{after: time.Minute}); pause != time.Minute {
		t.Errorf("a receiver asked for a minute and got %s", pause)
	}
}

// What could not be written down is not sent again.
func TestVerdictIsKept(t *testing.T) {
	d, job := newTestDelivery(t, 200, 0)
	working := d.Live
	d.Live = failingStatus{working}
	d.add(job)
	if _, err := d.turn(t.Context(), d.pending[job.UID]); err == nil {
		t.Fatal("the status was written")
	}
	d.Live = working
	if _, err := d.turn(t.Context(), d.pending[job.UID]); err != nil {
		t.Fatal(err)
	}
	if sent := testutil.ToFloat64(d.Metrics.WebhookTries.WithLabelValues(metrics.WebhookDelivered)); sent != 1 {
		t.Errorf("sent %v times", sent)
	}
	if got := testutil.ToFloat64(d.Metrics.WebhooksPending); got != 1 {
		t.Errorf("%v pending", got)
	}
	d.drop(job.UID)
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
	if _, err := d.turn(t.Context(), &entry{job: job}); err != nil {
		t.Fatal(err)
	}
	if sent := testutil.ToFloat64(d.Metrics.WebhookTries.WithLabelValues(metrics.WebhookDelivered)); sent != 0 {
		t.Errorf("sent %v times", sent)
	}
}

// A job that was deleted before its webhook was told has ended all the same, and one that was made again under its name
// is another one.
func TestDeletedJobIsTold(t *testing.T) {
	d, job := newTestDelivery(t, 500, 0)
	d.add(job)
	if _, err := d.turn(t.Context(), d.pending[job.UID]); err == nil {
		t.Fatal("the receiver refuses, and it was told")
	}
	if err := d.Live.Delete(t.Context(), job.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	again := job.DeepCopy()
	again.UID, again.ResourceVersion = "another", ""
	again.Status = v1alpha1.ProcessingJobStatus{}
	d.Describe = func(job *v1alpha1.ProcessingJob) any { return job.UID }
	var told string
	receive(t, job, "127.0.0.1", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		told = string(body)
	})
	for name, between := range map[string]func() error{
		"deleted":    func() error { return nil },
		"made again": func() error { return d.Live.Create(t.Context(), again) },
	} {
		t.Run(name, func(t *testing.T) {
			told = ""
			if err := between(); err != nil {
				t.Fatal(err)
			}
			if _, err := d.turn(t.Context(), &entry{job: job}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(told, `"job.error"`) || !strings.Contains(told, `"uid"`) {
				t.Errorf("told %q, want how the job that was deleted ended", told)
			}
		})
	}
	finished := again.DeepCopy()
	finished.Status = job.Status
	d.add(finished)
	if len(d.pending) != 2 {
		t.Errorf("%d pending, want both jobs of the name", len(d.pending))
	}
	if pause := d.pause(finished.UID, errors.New("500")); pause > 2*firstPause {
		t.Errorf("the new job begins with a pause of %s, which is the old one's", pause)
	}
}

// receive has a job's webhook go to a receiver at an address.
func receive(t *testing.T, job *v1alpha1.ProcessingJob, address string, handler http.HandlerFunc) {
	t.Helper()
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	receiver := httptest.NewUnstartedServer(handler)
	_ = receiver.Listener.Close()
	receiver.Listener = listener
	receiver.Start()
	t.Cleanup(receiver.Close)
	job.Spec.Webhook = &v1alpha1.Webhook{URL: receiver.URL}
}

// A receiver that hangs takes few of the workers.
func TestSlowReceiverHoldsUpNobody(t *testing.T) {
	d, job := newTestDelivery(t, 200, 0)
	d.Policy.Hosts = append(d.Policy.Hosts, "127.0.0.2")
	ctx, cancel := context.WithCancel(t.Context())
	var underWay, most atomic.Int32
	slow := job.DeepCopy()
	receive(t, slow, "127.0.0.2", func(_ http.ResponseWriter, r *http.Request) {
		now := underWay.Add(1)
		defer underWay.Add(-1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		select {
		case <-ctx.Done():
		case <-r.Context().Done():
		}
	})
	told := make(chan struct{}, 1)
	receive(t, job, "127.0.0.1", func(http.ResponseWriter, *http.Request) { told <- struct{}{} })
	for i := range 20 { // none of them is in the cluster any more
		other := slow.DeepCopy()
		other.Name, other.UID = fmt.Sprint("slow-", i), types.UID(fmt.Sprint("uid-", i))
		d.add(other)
	}
	gone := job.DeepCopy()
	gone.Name, gone.UID = "gone", "uid-gone"
	d.add(gone)
	var running sync.WaitGroup
	running.Go(func() { d.run(ctx) })
	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Error("the other receiver was not told")
	}
	cancel()
	running.Wait()
	if got := most.Load(); got > perHost {
		t.Errorf("%d tries of one host at once, want at most %d", got, perHost)
	}
}
