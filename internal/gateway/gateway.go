// Package gateway is the HTTP side of Bricklayers: it takes files into the bucket, makes a ProcessingJob of each, tells
// what became of it and hands the result out. On a second port it serves the jobs' pods. It never creates or changes a
// workload.
package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/queueapi"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/tracing"
	"bricklayers.dev/bricklayers/internal/webhook"
)

// Options are the gateway's settings.
type Options struct {
	Namespace string // where jobs are made and Processors are looked up, unless a request names another
	// AllNamespaces lets a request name any namespace. It needs Authenticate.
	AllNamespaces bool
	// Authenticate asks who sends a request, and RBAC whether they may. Else everybody may everything.
	Authenticate bool
	Webhooks     webhook.Policy
	ClientLimits
	Quota            Quota
	DefaultProcessor string // of an upload that names none
	MaxUploadSize    int64  // bytes
	MaxOutputSize    int64  // bytes, of one output file
	// UploadTimeout is how long one upload may take. The sweep's grace period must be longer, or it could take a file
	// for left over while its job is being made.
	UploadTimeout time.Duration
	ListJobs      bool // whoever may list jobs learns their ids, which without authentication are all it takes
	// ResumableLifetime is how long a resumable upload may take altogether.
	ResumableLifetime time.Duration
	// AskQueue asks the manager how long a job waits; nil where there is none to ask.
	AskQueue func(ctx context.Context, namespace, name string) (*queueapi.Waiting, error)
	// Where the bucket signs addresses, clients and pods can be sent there instead of having the bytes pass through.
	RedirectDownloads bool
	RedirectPods      bool
	InputURLs         bool            // whether a job may be made of a link
	Tracer            *tracing.Tracer // nil while tracing is off
}

// Gateway serves people and pods.
type Gateway struct {
	Options
	cached   client.Reader // may be a moment behind
	live     client.Client
	store    *storage.Store
	metrics  *metrics.Gateway
	misses   *rate.Limiter
	scrape   http.Handler
	pods     *podIdentities
	ready    *readiness
	changes  *changes
	queue    *queue
	reviews  *reviews // nil where nobody is asked who they are
	index    *index   // nil where nothing needs it
	tus      http.Handler
	archives *semaphore.Weighted // being made
	clients  *clients            // nil where nothing is limited
	webhooks *webhook.Notifier
	quotas   *quotas // nil where nothing is bounded

	heartbeat time.Duration // of streams
	maxParts  int           // of a resumable upload
	draining  chan struct{} // closed when the process is told to stop
}

// Registry is where the gateway's metrics are registered and served from.
type Registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

// New makes a gateway. cached reads Processors and ProcessingJobs of the namespace from memory, synced tells whether it
// has them yet; live goes to the API server.
func New(o Options, cached client.Reader, synced func() bool, live client.Client, store *storage.Store,
	registry Registry,
) *Gateway {
	g := &Gateway{
		Options: o,
		cached:  cached,
		live:    live,
		store:   store,
		metrics: metrics.NewGateway(registry, validationReasons()),
		scrape:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}),
		misses:  rate.NewLimiter(50, 100),
		pods:    newPodIdentities(live, wallClock{}),
		changes: newChanges(),
		queue:   newQueue(o.AskQueue),
		clients: newClients(o.ClientLimits),

		archives:  semaphore.NewWeighted(maxArchives),
		heartbeat: heartbeat,
		maxParts:  maxParts,
		draining:  make(chan struct{}),
	}
	g.ready = &readiness{synced: synced, probe: store.Probe, failing: g.metrics.BucketFailing}
	if o.Authenticate {
		g.reviews = newReviews(live, wallClock{})
	}
	if o.ListJobs || o.Authenticate || o.Quota != (Quota{}) {
		g.index = newIndex()
	}
	g.quotas = newQuotas(o.Quota, g.index)
	g.webhooks = &webhook.Notifier{
		Policy: &g.Options.Webhooks, Cached: cached, Live: live, Metrics: g.metrics,
		Describe: func(job *v1alpha1.ProcessingJob) any { return g.describe(job) },
	}
	g.tus = g.newTus()
	return g
}

// JobSeen is called with every job that the cache has, and every version of it: also with jobs that it has only for
// their webhooks, of namespaces that are not served.
func (g *Gateway) JobSeen(job *v1alpha1.ProcessingJob) {
	if g.index != nil && g.serves(job.Namespace) == nil {
		g.index.put(job)
	}
	g.webhooks.JobSeen(job)
	g.changes.notify(client.ObjectKeyFromObject(job))
}

// JobGone is called when the cache has a job no more.
func (g *Gateway) JobGone(job types.NamespacedName) {
	if g.index != nil {
		g.index.remove(job)
	}
	g.changes.notify(job)
}

// Drain ends the requests that only wait. It is called once.
func (g *Gateway) Drain() { close(g.draining) }

var validationReason = map[string]bool{}

func init() {
	for _, reason := range validationReasons() {
		validationReason[reason] = true
	}
}

// DeliverWebhooks tells the webhooks of finished jobs until the context ends. One of several gateways does it.
func (g *Gateway) DeliverWebhooks(ctx context.Context) { g.webhooks.Run(ctx) }

// Metrics are the gateway's, for whoever works beside it in the process.
func (g *Gateway) Metrics() *metrics.Gateway { return g.metrics }

// validationReasons is the closed list of upload_validation_failures_total{reason}.
func validationReasons() []string { return slices.Concat(uploadReasons, contentReasons()) }

// Handler serves people, and /metrics too if withMetrics.
func (g *Gateway) Handler(withMetrics bool) http.Handler { return secure(g.routes(withMetrics)) }

func (g *Gateway) routes(withMetrics bool) *router {
	rt := newRouter(g.metrics, g.Tracer)
	rt.handleTraced("POST /api/v1/upload", g.allowed("create", g.upload), 201, 400, 404, 409, 413, 415, 422, 500, 503, 507)
	g.handleTus(rt)
	rt.handle("GET /api/v1/status/{job_id}", g.allowed("get", g.status), 200, 304, 400, 404, 500, 503)
	rt.handle("GET /api/v1/status/{job_id}/events", g.allowed("get", g.events), 200, 204, 404, 500, 503)
	rt.handle("POST /api/v1/events", g.allowed("get", g.follow), 200, 400, 500, 503)
	rt.handleTraced("GET /api/v1/download/{job_id}", g.allowed("get", g.download), 200, 206, 304, 307, 400, 404, 409, 410, 416, 500, 503)
	rt.handle("GET /api/v1/input/{job_id}", g.allowed("get", g.input), 200, 206, 304, 307, 404, 410, 416, 500, 503)
	rt.handle("GET /api/v1/jobs", g.allowed("list", g.listJobs), 200, 304, 400, 403, 500, 503)
	rt.handle("DELETE /api/v1/jobs/{job_id}", g.allowed("delete", g.cancel), 204, 404, 500, 503)
	rt.handle("GET /api/v1/processors", g.allowedOn("processors", "list", g.processors), 200, 404, 500, 503)
	handlePage(rt)
	g.handleDocument(rt)
	rt.handle("GET /healthz", healthz, 200)
	rt.handle("GET /readyz", g.ready.serve, 200, 400, 503)
	if withMetrics {
		rt.handle("GET /metrics", g.serveMetrics, 200)
	}
	return rt
}

// serveMetrics serves what the registry has.
func (g *Gateway) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	g.scrape.ServeHTTP(w, r)
	return nil
}

// PodHandler serves the jobs' pods.
func (g *Gateway) PodHandler() http.Handler { return g.podRoutes() }

func (g *Gateway) podRoutes() *router {
	rt := newRouter(g.metrics, g.Tracer)
	rt.handleTraced("GET /pod/v1/input", g.podInput, 200, 307, 401, 403, 410, 500, 503)
	rt.handleTraced("PUT /pod/v1/outputs/{name}", g.podOutput, 200, 401, 403, 409, 500, 503, 507)
	rt.handleTraced("POST /pod/v1/outputs/{name}", g.podOutputAddress, 200, 400, 401, 403, 409, 413, 500, 503)
	rt.handleTraced("POST /pod/v1/commit", g.podCommit, 200, 401, 403, 409, 500, 503)
	return rt
}

// secure keeps web pages of other origins from using a browser's access to the gateway, and browsers from guessing at
// what a file is.
func secure(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(http.StatusForbidden, reasonCrossOrigin, "a page of another origin may not do this").write(w)
	}))
	checked := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		checked.ServeHTTP(w, r)
	})
}

// job finds a job by its id, which is its name.
func (g *Gateway) job(ctx context.Context, name types.NamespacedName) (*v1alpha1.ProcessingJob, error) {
	job := &v1alpha1.ProcessingJob{}
	err := g.find(ctx, name, job)
	if apierrors.IsNotFound(err) {
		return nil, noSuchJob(name.Name)
	}
	if err != nil {
		return nil, err
	}
	return job, nil
}

func noSuchJob(id string) *problem {
	return fail(http.StatusNotFound, reasonJobNotFound,
		"there is no job %q; it may have expired, its files are gone then too", id)
}

// find looks into the cache, and past it for what is too new to be there: a job that was made through another replica a
// moment ago. Misses are limited, because anybody can ask for names that do not exist.
func (g *Gateway) find(ctx context.Context, name types.NamespacedName, into client.Object) error {
	if len(validation.IsDNS1123Subdomain(name.Name)) > 0 {
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("").GroupResource(), name.Name)
	}
	err := g.cached.Get(ctx, name, into)
	if !apierrors.IsNotFound(err) {
		return asClusterProblem(err)
	}
	if !g.misses.Allow() {
		return fail(http.StatusTooManyRequests, reasonTooManyRequests,
			"too many requests for what does not exist; try again").after(time.Second)
	}
	err = g.live.Get(ctx, name, into)
	if apierrors.IsNotFound(err) {
		return err
	}
	return asClusterProblem(err)
}

func asClusterProblem(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return clusterProblem(err)
}
