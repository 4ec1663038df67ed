package upgrade_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/node"
)

const (
	thisChart     = "charts/bricklayers"
	jobsPerStep   = 6
	clients       = 3
	stepPatience  = 3 * time.Minute
	labelOfTheJob = "processing.bricklayers.dev/job"
)

// release is an installation whose gateway has two replicas on one volume, so that an upgrade need not interrupt it.
type release struct {
	*node.Cluster
}

func (r *release) helm(t *testing.T, args ...string) {
	t.Helper()
	args = append(args, "--namespace", namespace, "--wait", "--timeout", "4m")
	start := time.Now()
	if err := r.Run(t.Context(), "helm", args...); err != nil {
		t.Fatal(err)
	}
	t.Logf("helm %s took %s", strings.Join(args[:2], " "), time.Since(start).Round(time.Second))
}

func (r *release) upgrade(t *testing.T, chart string) {
	t.Helper()
	r.helm(t, "upgrade", "bricklayers", chart, "--install", "--reset-values", "--set",
		"gateway.replicas=2,bucket.volume.accessModes={ReadWriteMany},bucket.volume.size=1Gi")
}

// TestUpgradeAndRollbackUnderLoad: people upload, wait and download while the release goes up, down and up again. None
// of them sees a request fail, no job is lost or run twice, and what is left in the end is what the chart promises to keep.
func TestUpgradeAndRollbackUnderLoad(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a real node is made of namespaces, mounts and cgroups")
	}
	previous := checkOutPrevious(t)
	r := &release{startCluster(t, previous)}
	err := r.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.upgrade(t, previous.chart())
	r.wantDefinitions(t, previous.chart())
	r.processor(t, "copy")
	load, stop := startLoad(t, r.gateway(t), clients)
	for _, step := range []struct {
		name string
		take func()
	}{
		{"on " + previous.version, func() {}},
		{"upgraded", func() { r.upgrade(t, thisChart); r.wantDefinitions(t, thisChart) }},
		{"rolled back", func() { r.helm(t, "rollback", "bricklayers", "1"); r.wantDefinitions(t, previous.chart()) }},
		{"upgraded again", func() { r.upgrade(t, thisChart); r.wantDefinitions(t, thisChart) }},
	} {
		step.take()
		before := load.done.Load()
		eventually(t, fmt.Sprintf("%d more jobs, %s", jobsPerStep, step.name), stepPatience, func(context.Context) (bool, error) {
			return load.done.Load() >= before+jobsPerStep, nil
		})
		t.Logf("%s: %d jobs done, %d requests answered, %d sent again, the slowest took %s", step.name, load.done.Load(),
			load.requests.Load(), load.retries.Load(), time.Duration(load.longest.Load()).Round(time.Millisecond))
	}
	stop()
	for i, fault := range load.faults {
		if i == 10 {
			t.Errorf("and %d faults more", len(load.faults)-i)
			break
		}
		t.Error(fault)
	}
	r.eachJobOnce(t, load)
	r.nothingDenied(t)
	if t.Failed() {
		return
	}
	r.uninstall(t)
}

// processor makes a Processor of the tests' image.
func (r *release) processor(t *testing.T, how string) {
	t.Helper()
	err := r.Create(t.Context(), &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: how},
		Spec:       v1alpha1.ProcessorSpec{Container: v1alpha1.ProcessorContainer{Image: node.TestImage, Args: []string{how}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// gateway is the address of the Service, which leads to a replica that is ready.
func (r *release) gateway(t *testing.T) string {
	t.Helper()
	service := &corev1.Service{}
	if err := r.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "bricklayers-gateway"}, service); err != nil {
		t.Fatal(err)
	}
	return "http://" + service.Spec.ClusterIP + ":8000"
}

// wantDefinitions fails unless the cluster has the definitions of a chart.
func (r *release) wantDefinitions(t *testing.T, chart string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart, "files/crds/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no definitions (%v)", chart, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, got := &unstructured.Unstructured{}, &unstructured.Unstructured{}
		if err := yaml.Unmarshal(content, &want.Object); err != nil {
			t.Fatal(err)
		}
		got.SetGroupVersionKind(want.GroupVersionKind())
		if err := r.Get(t.Context(), client.ObjectKeyFromObject(want), got); err != nil {
			t.Fatal(err)
		}
		if a, b := schemaOf(t, want), schemaOf(t, got); a != b {
			t.Errorf("the definition %s is not that of %s", want.GetName(), chart)
		}
	}
}

func schemaOf(t *testing.T, definition *unstructured.Unstructured) string {
	t.Helper()
	versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if err != nil || len(versions) == 0 {
		t.Fatalf("%s has no versions (%v)", definition.GetName(), err)
	}
	content, err := yaml.Marshal(versions[0].(map[string]any)["schema"])
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// eachJobOnce holds what is in the cluster against what was sent: one ProcessingJob for each upload, completed in its
// first attempt, by one Job with one pod that succeeded.
func (r *release) eachJobOnce(t *testing.T, l *load) {
	t.Helper()
	jobs, children, pods := &v1alpha1.ProcessingJobList{}, &batchv1.JobList{}, &corev1.PodList{}
	for _, list := range []client.ObjectList{jobs, children, pods} {
		if err := r.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
	}
	if len(jobs.Items) != len(l.jobs) {
		t.Errorf("%d uploads made %d jobs", len(l.jobs), len(jobs.Items))
	}
	runs := map[string]int{}
	for _, child := range children.Items {
		runs[child.Labels[labelOfTheJob]]++
	}
	podsOf := map[string]int{}
	for _, pod := range pods.Items {
		podsOf[pod.Labels[labelOfTheJob]]++
	}
	for _, job := range jobs.Items {
		if job.Status.Phase != v1alpha1.PhaseCompleted || job.Status.Attempts != 1 || runs[job.Name] != 1 || podsOf[job.Name] != 1 {
			t.Errorf("job %s is %s after %d attempts, with %d Jobs and %d pods", job.Name, job.Status.Phase,
				job.Status.Attempts, runs[job.Name], podsOf[job.Name])
		}
	}
	t.Logf("%d uploads, %d jobs, %d Jobs, %d requests answered, %d of them sent more than once, the slowest took %s",
		len(l.jobs), len(jobs.Items), len(children.Items), l.requests.Load(), l.retries.Load(), time.Duration(l.longest.Load()))
}

// nothingDenied: at no moment of an upgrade had a service account less than it needed.
func (r *release) nothingDenied(t *testing.T) {
	t.Helper()
	requests, err := r.AuditLog()
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range requests {
		if request.Denied && request.Account.Namespace == namespace {
			t.Errorf("%s was denied %s %s: %s", request.Account.Name, request.Verb, request.URI, request.Reason)
		}
	}
}

// uninstall takes the release away while a job runs, and then the namespace.
func (r *release) uninstall(t *testing.T) {
	t.Helper()
	r.processor(t, "hang")
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "running"},
		Spec: v1alpha1.ProcessingJobSpec{Processor: "hang",
			Input: v1alpha1.Input{ConfigMap: &v1alpha1.ConfigMapInput{Name: "kube-root-ca.crt", Key: "ca.crt"}}},
	}
	if err := r.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job to run", time.Minute, func(ctx context.Context) (bool, error) {
		err := r.Get(ctx, client.ObjectKeyFromObject(job), job)
		return job.Status.Phase == v1alpha1.PhaseRunning, err
	})
	r.helm(t, "uninstall", "bricklayers")
	left := r.leftBehind(t)
	want := "customresourcedefinitions processingjobs.processing.bricklayers.dev, " +
		"customresourcedefinitions processors.processing.bricklayers.dev, " +
		"persistentvolumeclaims bricklayers-bucket, processors brick"
	if left != want {
		t.Errorf("uninstall left %s\nwant %s", left, want)
	}
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(job), job); err != nil {
		t.Errorf("the jobs went with the release: %v", err)
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	start := time.Now()
	if err := r.Delete(t.Context(), space); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace to be gone", 2*time.Minute, func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(r.Get(ctx, client.ObjectKeyFromObject(space), space)), nil
	})
	t.Logf("the namespace was gone after %s", time.Since(start).Round(time.Second))
}

// leftBehind lists every object of any kind that carries the release's label, but for what follows from another.
func (r *release) leftBehind(t *testing.T) string {
	t.Helper()
	kinds, err := r.Output(t.Context(), "kubectl", "api-resources", "--verbs=list", "-o", "name")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for kind := range strings.FieldsSeq(string(kinds)) {
		out, err := r.Output(t.Context(), "kubectl", "get", kind, "-A", "-l", "app.kubernetes.io/instance=bricklayers",
			"-o", `jsonpath={range .items[*]}{.metadata.ownerReferences[0].kind}/{.metadata.name}{"\n"}{end}`)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(string(out)) {
			if name, isRoot := strings.CutPrefix(name, "/"); isRoot {
				plural, _, _ := strings.Cut(kind, ".")
				left = append(left, plural+" "+name)
			}
		}
	}
	slices.Sort(left)
	return strings.Join(left, ", ")
}
