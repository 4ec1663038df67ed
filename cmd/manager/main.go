// Command manager runs the controllers.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/controllers"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/internal/queueapi"
	"bricklayers.dev/bricklayers/internal/tracing"
	"bricklayers.dev/bricklayers/internal/version"
)

func main() {
	if err := run(ctrl.SetupSignalHandler(), os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "manager: %v\n", err)
		os.Exit(1)
	}
}

type options struct {
	metricsAddress string
	metricsAuth    bool
	healthAddress  string
	queueAddress   string
	leaderElect    bool
	namespace      string
	concurrency    int
	limits         queue.Limits
	access         controllers.PodAccess
	log            zap.Options
}

func parseFlags(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "address of /metrics, or 0 for none")
	flags.BoolVar(&o.metricsAuth, "metrics-auth", false,
		"let only who sends a token of the cluster and may get the path /metrics read metrics, over TLS")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	flags.StringVar(&o.queueAddress, "queue-bind-address", ":8082",
		"address where the gateway asks how long jobs wait, or 0 for none")
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "let only one of several managers act")
	flags.StringVar(&o.namespace, "namespace", "", "namespace to work in; empty means all")
	flags.IntVar(&o.concurrency, "concurrency", 8, "how many jobs are reconciled at once")
	flags.IntVar(&o.limits.MaxActive, "max-active", 100, "how many jobs may be admitted at once; 0 means no limit")
	flags.IntVar(&o.limits.MaxActivePerNamespace, "max-active-per-namespace", 0, "the same per namespace")
	flags.StringVar(&o.access.AgentImage, "agent-image", "bricklayers.dev/agent:"+version.Version,
		"image of the containers that fetch the input and store the output")
	flags.StringVar(&o.access.GatewayURL, "gateway-url", "http://bricklayers-gateway.bricklayers-system.svc:8001",
		"address of the gateway's pod port, as pods reach it")
	flags.Func("allow-input-cidr", "private address range that an input's address may lie in, "+
		"comma-separated or repeated; by default only public addresses", func(value string) error {
		o.access.AllowInputCIDRs = append(o.access.AllowInputCIDRs, strings.Split(value, ",")...)
		return nil
	})
	o.log.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: only flags are taken", flags.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.log)))
	tracer, err := tracing.Setup(ctx, "bricklayers-manager", ctrl.Log.WithName("tracing"))
	if err != nil {
		return err
	}
	defer tracer.Shutdown(ctx)
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("failed to find the cluster: %w", err)
	}
	// The API server is near: packing and unpacking each event of a watch costs both sides more than the bytes do.
	config.DisableCompression = true
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        newScheme(),
		Cache:                         controllers.CacheOptions(o.namespace),
		Metrics:                       metrics.ServerOptions(o.metricsAddress, o.metricsAuth),
		HealthProbeBindAddress:        o.healthAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "manager.bricklayers.dev",
		LeaderElectionReleaseOnCancel: true, // nothing runs after Start returns, so the next leader need not wait
	})
	if err != nil {
		return fmt.Errorf("failed to set up the manager: %w", err)
	}
	if err := addController(ctx, mgr, o, tracer); err != nil {
		return err
	}
	ctrl.Log.Info("starting", "version", version.Version, "namespace", o.namespace)
	return mgr.Start(ctx)
}

func addController(ctx context.Context, mgr ctrl.Manager, o *options, tracer *tracing.Tracer) error {
	reconciler := &controllers.Reconciler{
		Client: mgr.GetClient(),
		Live:   mgr.GetAPIReader(),
		Events: mgr.GetEventRecorder("bricklayers-manager"),
		Clock:  clock.RealClock{},
		Access: o.access,
		Tracer: tracer,
	}
	reconciler.Metrics = metrics.NewManager(ctrlmetrics.Registry, reconciler.QueueDepth)
	if err := reconciler.SetupWithManager(ctx, mgr, o.limits, o.concurrency); err != nil {
		return fmt.Errorf("failed to set up the ProcessingJob controller: %w", err)
	}
	if err := addQueueServer(mgr, reconciler, o.queueAddress); err != nil {
		return fmt.Errorf("failed to set up the queue's address: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return mgr.AddReadyzCheck("ping", healthz.Ping)
}

// addQueueServer answers the gateway on every replica, leader or not.
func addQueueServer(mgr ctrl.Manager, reconciler *controllers.Reconciler, address string) error {
	if address == "0" {
		return nil
	}
	const headers, idle = 5 * time.Second, 90 * time.Second
	return mgr.Add(&manager.Server{Name: "queue", Server: &http.Server{
		Addr: address, Handler: queueapi.Handler(reconciler.Explain), ReadHeaderTimeout: headers, IdleTimeout: idle,
	}})
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}
