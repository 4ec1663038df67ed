package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	applyv1alpha1 "bricklayers.dev/bricklayers/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// fieldOwner owns the condition Notified, nothing else.
const fieldOwner = client.FieldOwner("bricklayers-webhook")

const (
	// workers deliver at the same time, of those perHost to one host: a slow receiver must not hold up the others. What
	// finds its host busy comes back after hostBusy, which is no try.
	workers  = 16
	perHost  = 4
	hostBusy = time.Second

	// Tries are apart by firstPause, then twice as long each time up to longestPause, give or take a fifth.
	firstPause   = 5 * time.Second
	longestPause = time.Hour
	jitter       = 0.2
)

// delivery is the work of one term as the gateway that delivers.
type delivery struct {
	*Notifier
	client *http.Client
	queue  workqueue.TypedDelayingInterface[types.UID]
	pauses workqueue.TypedRateLimiter[types.UID]

	mu      sync.Mutex
	pending map[types.UID]*entry // by the job's UID: a name may be used again
	busy    map[string]int       // tries under way, by host
}

// entry is a webhook that is still to be told.
type entry struct {
	job     *v1alpha1.ProcessingJob // as it was seen first: finished, which is all there is to tell once it is deleted
	verdict *verdict                // what became of the webhook; nil until that is known
}

// verdict is what became of a webhook.
type verdict struct {
	status          metav1.ConditionStatus
	reason, message string
}

func newDelivery(n *Notifier) *delivery {
	return &delivery{
		Notifier: n,
		client:   n.Policy.newClient(),
		queue:    workqueue.NewTypedDelayingQueue[types.UID](),
		pauses:   workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](firstPause, longestPause),
		pending:  map[types.UID]*entry{},
		busy:     map[string]int{},
	}
}

func (d *delivery) run(ctx context.Context) {
	defer d.client.CloseIdleConnections()
	context.AfterFunc(ctx, d.queue.ShutDown)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for d.next(ctx) {
			}
		})
	}
	if err := d.addAll(ctx); err != nil && ctx.Err() == nil {
		log.FromContext(ctx).Error(err, "cannot list the jobs whose webhooks are still to be told")
	}
	all.Wait()
}

// addAll adds what other terms have left.
func (d *delivery) addAll(ctx context.Context) error {
	jobs := &v1alpha1.ProcessingJobList{}
	if err := d.Cached.List(ctx, jobs, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range jobs.Items {
		if jobs.Items[i].WebhookPending() {
			d.add(&jobs.Items[i])
		}
	}
	return nil
}

func (d *delivery) add(job *v1alpha1.ProcessingJob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.pending[job.UID]; known {
		return // another version of the job is no reason for an earlier try
	}
	d.pending[job.UID] = &entry{job: job}
	d.Metrics.WebhooksPending.Set(float64(len(d.pending)))
	d.queue.Add(job.UID)
}

func (d *delivery) drop(job types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.pending, job)
	d.Metrics.WebhooksPending.Set(float64(len(d.pending)))
	d.pauses.Forget(job)
}

// next takes one job's turn, and tells whether there may be more.
func (d *delivery) next(ctx context.Context) bool {
	uid, ending := d.queue.Get()
	if ending {
		return false
	}
	defer d.queue.Done(uid)
	e, leave := d.enter(uid)
	if e == nil {
		d.queue.AddAfter(uid, hostBusy)
		return true
	}
	defer leave()
	ctx = log.IntoContext(ctx, tracing.Log(ctx, e.job).WithValues("namespace", e.job.Namespace))
	pause, err := d.turn(ctx, e)
	switch {
	case err == nil:
		d.drop(uid)
	case ctx.Err() == nil:
		log.FromContext(ctx).Info("a webhook is to be tried again", "in", pause.String(), "error", err.Error())
		d.queue.AddAfter(uid, pause)
	}
	return true
}

// enter returns what is pending of a job unless too many tries of its host are under way, and what to call when its
// turn is over.
func (d *delivery) enter(uid types.UID) (e *entry, leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e = d.pending[uid]
	host := ""
	if u, err := url.Parse(e.job.Spec.Webhook.URL); err == nil { // else it is refused without being asked
		host = strings.ToLower(u.Hostname())
	}
	if d.busy[host] == perHost {
		return nil, nil
	}
	d.busy[host]++
	return e, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.busy[host]--; d.busy[host] == 0 {
			delete(d.busy, host)
		}
	}
}

// turn delivers a job's webhook unless that is done, and writes down what became of it. With an error it returns when
// to try again.
func (d *delivery) turn(ctx context.Context, e *entry) (time.Duration, error) {
	job := &v1alpha1.ProcessingJob{}
	// Past the cache, which may not know yet what this gateway, or the one before it, has written down.
	err := d.Live.Get(ctx, jobName(e.job), job)
	switch {
	case apierrors.IsNotFound(err) || err == nil && job.UID != e.job.UID:
		job = e.job // deleted, and maybe made again: it has ended all the same
	case err != nil:
		return d.pauses.When(e.job.UID), err
	case !job.WebhookPending():
		return 0, nil
	}
	if e.verdict == nil {
		var pause time.Duration
		if e.verdict, pause, err = d.try(ctx, job); err != nil {
			return pause, err
		}
		d.pauses.Forget(job.UID)
	}
	if err := d.record(ctx, job, e.verdict); err != nil {
		return d.pauses.When(job.UID), err
	}
	return 0, nil
}

// try sends once and judges. With an error it returns when to try again.
func (d *delivery) try(ctx context.Context, job *v1alpha1.ProcessingJob) (*verdict, time.Duration, error) {
	message, err := d.message(job)
	if err != nil {
		return nil, 0, err
	}
	err = d.Policy.send(ctx, d.client, message, time.Now())
	var final *finalError
	switch {
	case ctx.Err() != nil:
		return nil, 0, ctx.Err()
	case err == nil:
		d.Metrics.WebhookTries.WithLabelValues(metrics.WebhookDelivered).Inc()
		return &verdict{metav1.ConditionTrue, v1alpha1.ReasonDelivered, "the webhook was received"}, 0, nil
	case errors.As(err, &final) && final.reason == v1alpha1.ReasonNotAllowed:
		d.Metrics.WebhookTries.WithLabelValues(metrics.WebhookNotAllowed).Inc()
		return &verdict{metav1.ConditionFalse, final.reason, err.Error()}, 0, nil
	}
	pause := d.pause(job.UID, err)
	end := ptr.Deref(job.Status.CompletionTime, job.CreationTimestamp).Add(v1alpha1.WebhookPatience)
	if final == nil && time.Now().Add(pause).Before(end) {
		d.Metrics.WebhookTries.WithLabelValues(metrics.WebhookFailed).Inc()
		return nil, pause, err
	}
	d.Metrics.WebhookTries.WithLabelValues(metrics.WebhookGivenUp).Inc()
	return &verdict{metav1.ConditionFalse, v1alpha1.ReasonGivenUp, "the last try: " + err.Error()}, 0, nil
}

// pause is how long to wait after a failure: a receiver may ask for longer than is usual.
func (d *delivery) pause(job types.UID, err error) time.Duration {
	usual := time.Duration(float64(d.pauses.When(job)) * (1 + jitter*(2*rand.Float64()-1)))
	var busy *busyError
	if errors.As(err, &busy) {
		return min(max(usual, busy.after), longestPause)
	}
	return usual
}

// message is the event of a job's end.
func (d *delivery) message(job *v1alpha1.ProcessingJob) (*message, error) {
	body, err := json.Marshal(struct {
		Type      string    `json:"type"` // job.completed, job.error or job.timeout
		Timestamp time.Time `json:"timestamp"`
		Data      any       `json:"data"`
	}{
		"job." + strings.ToLower(string(job.Status.Phase)),
		ptr.Deref(job.Status.CompletionTime, job.CreationTimestamp).UTC(),
		d.Describe(job),
	})
	return &message{id: "msg_" + string(job.UID), url: job.Spec.Webhook.URL, body: body}, err
}

// maxNote is the longest message of a condition.
const maxNote = 1024

// record writes the verdict to the job's status, after which no gateway tries again.
func (d *delivery) record(ctx context.Context, job *v1alpha1.ProcessingJob, v *verdict) error {
	note := v.message
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote], "") + "…"
	}
	condition := applymetav1.Condition().WithType(v1alpha1.ConditionNotified).WithStatus(v.status).WithReason(v.reason).
		WithMessage(note).WithObservedGeneration(job.Generation).WithLastTransitionTime(metav1.Now())
	apply := applyv1alpha1.ProcessingJob(job.Name, job.Namespace).WithUID(job.UID).
		WithStatus(applyv1alpha1.ProcessingJobStatus().WithConditions(condition))
	err := d.Live.Status().Apply(ctx, apply, fieldOwner, client.ForceOwnership)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // deleted, or made again, meanwhile
		return nil
	}
	if err != nil {
		return fmt.Errorf("write down what became of the webhook: %w", err)
	}
	log.FromContext(ctx).Info("settled a webhook", "reason", v.reason, "note", note)
	return nil
}
