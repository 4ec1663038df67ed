package webhook

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
)

// Notifier delivers the webhooks of finished jobs, in one of several gateways. What is still to be delivered is
// written nowhere but in the jobs: one that has a webhook, is finished and has no condition Notified. So a message may
// come twice, when a gateway ends between a delivery and writing that down. It does not come at all only when its job
// is deleted before, and with it the last place where that is written, and the gateway that delivers ends then, too.
type Notifier struct {
	Policy   *Policy
	Cached   client.Reader
	Live     client.Client
	Describe func(*v1alpha1.ProcessingJob) any // a job as clients see it
	Metrics  *metrics.Gateway

	mu      sync.Mutex
	current *delivery // nil while another gateway delivers
}

// JobSeen is called with every version of every job that the cache sees.
func (n *Notifier) JobSeen(job *v1alpha1.ProcessingJob) {
	if !job.WebhookPending() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current != nil {
		n.current.add(job)
	}
}

func jobName(job *v1alpha1.ProcessingJob) types.NamespacedName {
	return types.NamespacedName{Namespace: job.Namespace, Name: job.Name}
}

// Run delivers until the context ends.
func (n *Notifier) Run(ctx context.Context) {
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithName("webhooks"))
	d := newDelivery(n)
	n.mu.Lock()
	n.current = d
	n.mu.Unlock()
	d.run(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current == d { // else the next term has begun
		n.current = nil
		n.Metrics.WebhooksPending.Set(0)
	}
}
