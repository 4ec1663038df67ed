package install_test

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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

const (
	thisChart     = "charts/bricklayers"
	jobsPerStep   = 6
	clients       = 3
	gateways      = 2
	stepPatience  = 3 * time.Minute
	labelOfTheJob = "processing.bricklayers.dev/job"
)

// upgrade brings the release to a chart, with a gateway of two replicas on one volume, so that an upgrade need not
// interrupt it.
func (r *release) upgrade(t *testing.T, chart string) {
	t.Helper()
	r.helm(t, "upgrade", "bricklayers", chart, "--install", "--reset-values", "--set",
		fmt.Sprintf("gateway.replicas=%d,", gateways)+"bucket.volume.accessModes={ReadWriteMany},bucket.volume.size=1Gi")
}

// maxRetries is how many requests may have been sent again over three rollouts: a client has one request under way, which
// each of two gateways may cut when it goes.
const maxRetries = 3 * gateways * clients

// TestUpgradeAndRollbackUnderLoad: people upload, wait and download while the release goes up, down and up again. No
// request fails for a client that sends again only what is safe to send again, and it seldom has to; no job is lost or
// run twice, and what is left in the end is what the chart promises to keep.
func TestUpgradeAndRollbackUnderLoad(t *testing.T) {
	const namespace = "bricklayers-system"
	makeNamespace(t, namespace)
	previous := checkOutPrevious(t)
	images, err := previous.images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Load(t.Context(), images...); err != nil {
		t.Fatal(err)
	}
	r := &release{cluster, namespace}
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
		t.Logf("%s: %d jobs done, %d requests answered, %d sent again, the slowest (on a slow line) took %s", step.name, load.done.Load(),
			load.requests.Load(), load.retries.Load(), time.Duration(load.longest.Load()).Round(time.Millisecond))
	}
	stop()
	if retries := load.retries.Load(); retries > maxRetries {
		t.Errorf("%d requests were sent again, want at most %d", retries, maxRetries)
	}
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
		if err := r.List(t.Context(), list, client.InNamespace(r.namespace)); err != nil {
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
	t.Logf("%d uploads, %d jobs, %d Jobs, %d requests answered, %d of them sent more than once, the slowest (on a slow line) took %s",
		len(l.jobs), len(jobs.Items), len(children.Items), l.requests.Load(), l.retries.Load(), time.Duration(l.longest.Load()))
}

// uninstall takes the release away while a job runs, and then the namespace.
func (r *release) uninstall(t *testing.T) {
	t.Helper()
	r.processor(t, "hang")
	job := r.job(t, r.namespace, "hang")
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
	r.deleteNamespace(t)
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
