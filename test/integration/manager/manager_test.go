// Package manager_test drives the controllers against a real API server and the real Job controller. There is no node:
// the tests play the kubelet by writing pod statuses, and the gateway by writing a job's output.
package manager_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/controllers"
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/internal/tracing"
	"bricklayers.dev/bricklayers/test/controlplane"
)

var running *controlplane.ControlPlane

func TestMain(m *testing.M) {
	ctrl.SetLogger(zap.New(zap.UseDevMode(true), zap.WriteTo(os.Stderr)))
	os.Exit(controlplane.Main(m, &running))
}

// fixture is one namespace with a manager that works in it alone.
type fixture struct {
	*testing.T
	cp        *controlplane.ControlPlane
	client    client.Client
	namespace string
	registry  *prometheus.Registry
	limits    queue.Limits
	// wrapClient stands between the manager and the API server.
	wrapClient func(client.Client) client.Client
	// logger takes what the manager says; by default standard error does.
	logger logr.Logger
	// tracer makes the managers' spans; none by default.
	tracer *tracing.Tracer
	// ahead is how far the manager's clock is ahead of the API server's.
	ahead time.Duration
	// lease makes the managers elect a leader.
	lease bool
}

// leaseDuration is short, so that a test of a failover is.
const leaseDuration = 3 * time.Second

func newFixture(t *testing.T) *fixture {
	cp := controlplane.Require(t, running)
	return &fixture{T: t, cp: cp, client: cp.Client, namespace: cp.Namespace(t)}
}

// startManager runs a manager until the test ends or the returned function is called.
func (f *fixture) startManager() (stop func()) {
	f.Helper()
	f.registry = prometheus.NewRegistry()
	mgr, err := ctrl.NewManager(f.cp.Config, ctrl.Options{
		Scheme:         f.cp.Scheme,
		Cache:          controllers.CacheOptions(f.namespace),
		Metrics:        server.Options{BindAddress: "0"},
		Logger:         f.logger,
		LeaderElection: f.lease,
		// A killed manager releases nothing; the next one waits for the lease to run out.
		LeaderElectionID: "manager", LeaderElectionNamespace: f.namespace,
		LeaseDuration: ptr.To(leaseDuration), RenewDeadline: ptr.To(2 * time.Second), RetryPeriod: ptr.To(500 * time.Millisecond),
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, // one process, many managers
	})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.Context())
	r := &controllers.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder("bricklayers-manager"),
		Clock:  aheadClock{ahead: f.ahead},
		Access: controllers.PodAccess{AgentImage: "example.com/agent:1", GatewayURL: "http://gateway:8001"},
		Tracer: f.tracer,
	}
	if f.wrapClient != nil {
		r.Client = f.wrapClient(r.Client)
	}
	r.Metrics = metrics.NewManager(f.registry, r.QueueDepth)
	if err := r.SetupWithManager(ctx, mgr, f.limits, 4); err != nil {
		f.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		// A manager that loses its lease while it stops says so; it is stopping all the same.
		if err := <-done; err != nil && !strings.Contains(err.Error(), "leader election lost") {
			f.Errorf("manager: %v", err)
		}
	})
	f.Cleanup(stop)
	return stop
}

// aheadClock makes what happened look longer ago.
type aheadClock struct {
	clock.RealClock
	ahead time.Duration
}

func (c aheadClock) Now() time.Time                  { return c.RealClock.Now().Add(c.ahead) }
func (c aheadClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (f *fixture) create(o client.Object) {
	f.Helper()
	o.SetNamespace(f.namespace)
	if err := f.client.Create(f.Context(), o); err != nil {
		f.Fatal(err)
	}
}

// processor makes the Processor "brick".
func (f *fixture) processor(change ...func(*v1alpha1.ProcessorSpec)) {
	f.Helper()
	p := &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Name: "brick"},
		Spec: v1alpha1.ProcessorSpec{
			Container: v1alpha1.ProcessorContainer{Image: "example.com/brick:1"},
			Parameters: []v1alpha1.Parameter{{
				Name: "multiplier", Type: v1alpha1.ParameterNumber, Default: ptr.To("1.05"),
				Minimum: ptr.To[v1alpha1.Number]("1"), Maximum: ptr.To[v1alpha1.Number]("1.5"),
			}},
		},
	}
	for _, c := range change {
		c(&p.Spec)
	}
	f.create(p)
}

// deleteProcessor takes it away again.
func (f *fixture) deleteProcessor() {
	f.Helper()
	p := &v1alpha1.Processor{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "brick"}}
	if err := f.client.Delete(f.Context(), p); err != nil {
		f.Fatal(err)
	}
	f.gone(p)
}

// job makes a ProcessingJob.
func (f *fixture) job(name string, change ...func(*v1alpha1.ProcessingJobSpec)) *v1alpha1.ProcessingJob {
	f.Helper()
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Name: name},
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

// until waits until the job looks as asked for and returns it.
func (f *fixture) until(name, what string, ok func(*v1alpha1.ProcessingJob) bool) *v1alpha1.ProcessingJob {
	f.Helper()
	job := &v1alpha1.ProcessingJob{}
	f.Cleanup(func() {
		if f.Failed() {
			f.Logf("job %s was last %+v", name, job.Status)
		}
	})
	controlplane.Eventually(f.T, name+" to be "+what, func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKey{Namespace: f.namespace, Name: name}, job)
		return err == nil && ok(job), err
	})
	return job
}

// untilPhase waits for a phase and its reason.
func (f *fixture) untilPhase(name string, phase v1alpha1.Phase, reason string) *v1alpha1.ProcessingJob {
	f.Helper()
	return f.until(name, string(phase)+"/"+reason, func(job *v1alpha1.ProcessingJob) bool {
		return job.Status.Phase == phase && job.Status.Reason == reason
	})
}

// child waits for the Job of an attempt.
func (f *fixture) child(job *v1alpha1.ProcessingJob, attempt int32) *batchv1.Job {
	f.Helper()
	child := &batchv1.Job{}
	controlplane.Eventually(f.T, "the Job of "+job.Name, func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKey{Namespace: f.namespace, Name: childname.ForAttempt(job, attempt)}, child)
		return err == nil, err
	})
	return child
}

// ends plays the kubelet: the container of that name ended with the code, those before it with 0.
func (f *fixture) ends(pod *corev1.Pod, container string, code int32, reason, message string) {
	f.Helper()
	f.podStatus(pod, func(s *corev1.PodStatus) { *s = endedStatus(container, code, reason, message) })
}

func endedStatus(container string, code int32, reason, message string) corev1.PodStatus {
	now := metav1.Now()
	s := corev1.PodStatus{Phase: corev1.PodSucceeded}
	if code != 0 {
		s.Phase = corev1.PodFailed
	}
	for _, name := range []string{"fetch", "process", "store"} {
		ended := &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now}
		if name == container {
			ended.ExitCode, ended.Reason, ended.Message = code, reason, message
		}
		status := corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Terminated: ended}}
		if name == "store" {
			s.ContainerStatuses = append(s.ContainerStatuses, status)
		} else {
			s.InitContainerStatuses = append(s.InitContainerStatuses, status)
		}
		if name == container {
			break
		}
	}
	return s
}

// runningStatus is that of a pod whose process runs.
func runningStatus() corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, InitContainerStatuses: []corev1.ContainerStatus{{
		Name: "process", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
	}}}
}

func (f *fixture) podStatus(pod *corev1.Pod, change func(*corev1.PodStatus)) {
	f.Helper()
	before := pod.DeepCopy()
	change(&pod.Status)
	if err := f.client.Status().Patch(f.Context(), pod, client.MergeFrom(before)); err != nil {
		f.Fatal(err)
	}
}

// runsOnSilentNode has a pod run on a node that does not answer: once deleted, it stays until its kubelet says that it has
// stopped.
func (f *fixture) runsOnSilentNode(pod *corev1.Pod) {
	f.Helper()
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "silent"}}
	if err := f.client.SubResource("binding").Create(f.Context(), pod, binding); err != nil {
		f.Fatal(err)
	}
	if err := f.client.Get(f.Context(), client.ObjectKeyFromObject(pod), pod); err != nil {
		f.Fatal(err)
	}
	f.podStatus(pod, func(s *corev1.PodStatus) { *s = runningStatus() })
}

// commits plays the gateway.
func (f *fixture) commits(job *v1alpha1.ProcessingJob) {
	f.Helper()
	before := job.DeepCopy()
	setResult(job)
	if err := f.client.Status().Patch(f.Context(), job, client.MergeFrom(before)); err != nil {
		f.Fatal(err)
	}
}

func setResult(job *v1alpha1.ProcessingJob) {
	digest := v1alpha1.Digest("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	job.Status.Input = &v1alpha1.File{Name: "part.gcode", Size: ptr.To[int64](600e3), SHA256: digest}
	job.Status.Output = &v1alpha1.Output{Files: []v1alpha1.File{
		{Name: "part_brick.gcode", Size: ptr.To[int64](700e3), SHA256: digest},
	}}
}

// gone waits until an object is deleted.
func (f *fixture) gone(o client.Object) {
	f.Helper()
	f.goneWithin(30*time.Second, o)
}

func (f *fixture) goneWithin(limit time.Duration, o client.Object) {
	f.Helper()
	controlplane.Within(f.T, limit, o.GetName()+" to be gone", func(ctx context.Context) (bool, error) {
		err := f.client.Get(ctx, client.ObjectKeyFromObject(o), o)
		return apierrors.IsNotFound(err), err
	})
}

// metric reads one sample, a histogram's count.
func (f *fixture) metric(name string, labels ...string) float64 {
	f.Helper()
	value, exists := f.findMetric(name, labels...)
	if !exists {
		f.Errorf("no series %s%v", name, labels)
	}
	return value
}

func (f *fixture) findMetric(name string, labels ...string) (value float64, exists bool) {
	f.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if hasLabels(m, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()), true
			}
		}
	}
	return 0, false
}

func hasLabels(m *dto.Metric, pairs []string) bool {
	for i := 0; i < len(pairs); i += 2 {
		found := false
		for _, l := range m.GetLabel() {
			found = found || l.GetName() == pairs[i] && l.GetValue() == pairs[i+1]
		}
		if !found {
			return false
		}
	}
	return true
}

func (f *fixture) expectMetric(want float64, name string, labels ...string) {
	f.Helper()
	if got := f.metric(name, labels...); got != want {
		f.Errorf("%s%v is %v, want %v", name, labels, got, want)
	}
}

// never fails when the condition comes true within a while that is long against a reconcile.
func (f *fixture) never(what string, condition func() bool) {
	f.Helper()
	deadline := time.NewTimer(500 * time.Millisecond)
	defer deadline.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-deadline.C:
			return
		case <-tick.C:
			if condition() {
				f.Fatalf("%s", what)
			}
		}
	}
}
