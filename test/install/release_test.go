package install_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/node"
)

// release is an installation called bricklayers in a namespace.
type release struct {
	*node.Cluster
	namespace string
}

func (r *release) helm(t *testing.T, args ...string) {
	t.Helper()
	args = append(args, "--namespace", r.namespace, "--timeout", "4m")
	if args[0] != "test" {
		args = append(args, "--wait")
	}
	start := time.Now()
	if err := r.Run(t.Context(), "helm", args...); err != nil {
		t.Fatal(err)
	}
	t.Logf("helm %s took %s", strings.Join(args[:2], " "), time.Since(start).Round(time.Second))
}

// processor makes a Processor of the tests' image.
func (r *release) processor(t *testing.T, how string, change ...func(*v1alpha1.ProcessorSpec)) {
	t.Helper()
	p := &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: how},
		Spec:       v1alpha1.ProcessorSpec{Container: v1alpha1.ProcessorContainer{Image: node.TestImage, Args: []string{how}}},
	}
	for _, c := range change {
		c(&p.Spec)
	}
	if err := r.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// job makes a job whose input is a ConfigMap that every namespace has.
func (r *release) job(t *testing.T, namespace, processor string) *v1alpha1.ProcessingJob {
	t.Helper()
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: processor + "-"},
		Spec: v1alpha1.ProcessingJobSpec{Processor: processor,
			Input: v1alpha1.Input{ConfigMap: &v1alpha1.ConfigMapInput{Name: "kube-root-ca.crt", Key: "ca.crt"}}},
	}
	if err := r.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	return job
}

// gateway is the address of the Service, which leads to a replica that is ready.
func (r *release) gateway(t *testing.T) string {
	t.Helper()
	service := &corev1.Service{}
	if err := r.Get(t.Context(), client.ObjectKey{Namespace: r.namespace, Name: "bricklayers-gateway"}, service); err != nil {
		t.Fatal(err)
	}
	return "http://" + service.Spec.ClusterIP + ":8000"
}

// nothingDenied: at no moment had a service account of the release less than it needed.
func (r *release) nothingDenied(t *testing.T) {
	t.Helper()
	requests, err := r.AuditLog()
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range requests {
		if request.Denied && request.Account.Namespace == r.namespace {
			t.Errorf("%s was denied %s %s: %s", request.Account.Name, request.Verb, request.URI, request.Reason)
		}
	}
}

// deleteNamespace deletes the release's namespace, which must not hang on anything that is gone with the release.
func (r *release) deleteNamespace(t *testing.T) {
	t.Helper()
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}}
	start := time.Now()
	if err := r.Delete(t.Context(), space); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace to be gone", 2*time.Minute, func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(r.Get(ctx, client.ObjectKeyFromObject(space), space)), nil
	})
	t.Logf("the namespace %s was gone after %s", r.namespace, time.Since(start).Round(time.Second))
}
