package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/cleanup"
	"bricklayers.dev/bricklayers/internal/gateway"
	"bricklayers.dev/bricklayers/internal/leader"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/version"
)

// serve runs both ports and the cleanup service until the context ends.
func serve(ctx context.Context, o *options, config *rest.Config) (err error) {
	store, err := storage.Open(ctx, o.bucket, o.uploadMemory)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	mgr, live, err := newManager(o, config)
	if err != nil {
		return err
	}
	synced, err := watch(ctx, mgr)
	if err != nil {
		return err
	}
	g := gateway.New(o.gateway, mgr.GetCache(), synced, live, store, ctrlmetrics.Registry)
	if err := watchJobs(ctx, mgr, g); err != nil {
		return err
	}
	sweeper := &cleanup.Sweeper{Options: o.cleanup, Store: store, Jobs: live, Metrics: g.Metrics(), Now: store.Now}
	one := &leader.Leader{Config: config, Work: []func(context.Context){sweeper.Run, g.DeliverWebhooks}}
	if o.leaderElect {
		one.Namespace = o.leaseNamespace
	}
	if err := mgr.Add(one); err != nil {
		return err
	}
	if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		if mgr.GetCache().WaitForCacheSync(ctx) {
			giveBackStart()
		}
		return nil
	})); err != nil {
		return err
	}
	ctrl.Log.Info("starting", "version", version.Version, "namespace", o.gateway.Namespace)
	servers := []*gateway.Server{
		{Name: "api", Address: o.address, Handler: g.Handler(o.metricsAddress == ""), OnStop: g.Drain},
		{Name: "pods", Address: o.podAddress, Handler: g.PodHandler()},
	}
	return runAll(ctx, mgr, servers)
}

// giveBackStart is called when the packages are set up, and again when the caches are filled.
func giveBackStart() {
	if err := forgetStart(); err != nil {
		ctrl.Log.Error(err, "more memory than needed stays resident")
	}
}

// runAll runs the manager for as long as a server has requests in flight. The servers are none of the manager's, which
// would start them only once its cache is filled: until then they answer that they are not ready.
func runAll(ctx context.Context, mgr ctrl.Manager, servers []*gateway.Server) error {
	group, ctx := errgroup.WithContext(log.IntoContext(ctx, ctrl.Log))
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var inFlight sync.WaitGroup
	for _, server := range servers {
		inFlight.Add(1)
		group.Go(func() error {
			defer inFlight.Done()
			return server.Start(ctx)
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		inFlight.Wait()
		stop()
		return nil
	})
	group.Go(func() error { return mgr.Start(behind) })
	return group.Wait()
}

// newManager makes the manager that holds the cache, and a client that reads past it.
func newManager(o *options, config *rest.Config) (ctrl.Manager, client.Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, nil, err
		}
	}
	namespaces := map[string]cache.Config{o.gateway.Namespace: {}}
	if o.gateway.AllNamespaces {
		namespaces = nil
	}
	byObject := map[client.Object]cache.ByObject{}
	if o.webhooksEverywhere {
		byObject[&v1alpha1.ProcessingJob{}] = cache.ByObject{Namespaces: map[string]cache.Config{cache.AllNamespaces: {}}}
	}
	metricsAddress := o.metricsAddress
	if metricsAddress == "" {
		metricsAddress = "0" // they are served with the API
	}
	config.DisableCompression = true // the API server is near; unpacking each event of a watch costs more
	config.QPS = -1                  // every request of ours answers one of a client, and the API server has its own fairness
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultNamespaces: namespaces,
			ByObject:          byObject,
			DefaultTransform:  cache.TransformStripManagedFields(),
		},
		Metrics:                metrics.ServerOptions(metricsAddress, o.metricsAuth),
		HealthProbeBindAddress: "0", // served with the API
	})
	if err != nil {
		return nil, nil, fmt.Errorf("set up the manager: %w", err)
	}
	live, err := client.New(config, client.Options{
		Scheme: scheme, Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("set up the client: %w", err)
	}
	return mgr, live, nil
}

// watchJobs shows the gateway each job that comes, changes or goes.
func watchJobs(ctx context.Context, mgr ctrl.Manager, g *gateway.Gateway) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.ProcessingJob{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch ProcessingJobs: %w", err)
	}
	seen := func(object any) {
		if job, ok := object.(*v1alpha1.ProcessingJob); ok {
			g.JobSeen(job)
		}
	}
	gone := func(object any) {
		if name, err := toolscache.DeletionHandlingObjectToName(object); err == nil {
			g.JobGone(name.AsNamespacedName())
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: seen, UpdateFunc: func(_, object any) { seen(object) }, DeleteFunc: gone,
	})
	return err
}

// watch has the cache hold what the gateway reads, and returns whether it does yet.
func watch(ctx context.Context, mgr ctrl.Manager) (synced func() bool, err error) {
	var informers []cache.Informer
	for _, object := range []client.Object{&v1alpha1.ProcessingJob{}, &v1alpha1.Processor{}} {
		informer, err := mgr.GetCache().GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watch %T: %w", object, err)
		}
		informers = append(informers, informer)
	}
	var done atomic.Bool
	return func() bool {
		for _, informer := range informers {
			if !done.Load() && !informer.HasSynced() {
				return false
			}
		}
		done.Store(true)
		return true
	}, nil
}
