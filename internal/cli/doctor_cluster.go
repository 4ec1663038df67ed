package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func reasonOf(err error) string {
	var p *problem
	if errors.As(err, &p) {
		return p.Reason
	}
	return ""
}

// checkCluster looks at what the API server knows of the installation.
func (a *app) checkCluster(ctx context.Context) []finding {
	config, err := a.clusterConfig()
	if err != nil {
		return []finding{bad("kubeconfig", "set KUBECONFIG or --kubeconfig, or use --gateway", "%v", err)}
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return []finding{bad("kubeconfig", "mend the kubeconfig", "%v", err)}
	}
	version, err := kube.Discovery().ServerVersion()
	if err != nil {
		return []finding{bad("API server", "check the kubeconfig's address and credentials, and the network", "%v", err)}
	}
	found := []finding{good("API server", "%s, version %s", config.Host, version.GitVersion), checkCRDs(kube)}
	found = append(found, a.checkRights(ctx, kube)...)
	return append(found, a.checkDeployments(ctx, kube)...)
}

func checkCRDs(kube kubernetes.Interface) finding {
	const what = "CRDs"
	group := v1alpha1.GroupVersion.String()
	resources, err := kube.Discovery().ServerResourcesForGroupVersion(group)
	if err != nil {
		return bad(what, "install the chart, or kubectl apply -k config/crd", "%s is not served: %v", group, err)
	}
	var names []string
	for _, r := range resources.APIResources {
		names = append(names, r.Name)
	}
	for _, want := range []string{"processingjobs", "processingjobs/status", "processors"} {
		if !slices.Contains(names, want) {
			return bad(what, "upgrade the chart, or kubectl apply -k config/crd", "%s has no %s", group, want)
		}
	}
	return good(what, "%s is served", group)
}

// right is one that the commands need.
type right struct {
	verb, group, resource, subresource, namespace string
	need                                          string
}

func (a *app) checkRights(ctx context.Context, kube kubernetes.Interface) []finding {
	gateway, _, err := a.serviceName()
	jobs, err2 := a.namespaceOfJobs()
	if err := errors.Join(err, err2); err != nil {
		return []finding{bad("your rights", "", "%v", err)}
	}
	group := v1alpha1.GroupVersion.Group
	var missing []string
	rights := []right{
		{"get", "", "services", "", gateway, "reach the gateway"},
		{"list", "", "pods", "", gateway, "reach the gateway"},
		{"create", "", "pods", "portforward", gateway, "reach the gateway"},
		{"get", "apps", "deployments", "", gateway, "doctor"},
		{"get", "coordination.k8s.io", "leases", "", gateway, "doctor"},
		{"list", group, "processingjobs", "", jobs, "list"},
		{"list", "", "pods", "", jobs, "logs"},
		{"get", "", "pods", "", jobs, "logs"},
		{"get", "", "pods", "log", jobs, "logs"},
	}
	for _, r := range rights {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: r.namespace, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource,
			},
		}}
		answer, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return []finding{bad("your rights", "ask whoever runs the cluster", "cannot be asked for: %v", err)}
		}
		if !answer.Status.Allowed {
			name := r.resource
			if r.subresource != "" {
				name += "/" + r.subresource
			}
			missing = append(missing, fmt.Sprintf("%s %s in %s (to %s)", r.verb, name, r.namespace, r.need))
		}
	}
	if len(missing) > 0 {
		fix := fmt.Sprintf("have the role edit bound to you in %s, and view in %s (the chart adds its kinds to both)", gateway, jobs)
		return []finding{bad("your rights", fix, "you may not %s", strings.Join(missing, ", "))}
	}
	return []finding{good("your rights", "enough to reach the gateway, and for list, logs and doctor")}
}

func (a *app) checkDeployments(ctx context.Context, kube kubernetes.Interface) []finding {
	namespace, service, err := a.serviceName()
	if err != nil {
		return []finding{bad("deployments", "", "%v", err)}
	}
	release := strings.TrimSuffix(service, "-gateway")
	return []finding{
		checkDeployment(ctx, kube, namespace, release+"-manager"),
		checkLeader(ctx, kube, namespace),
		checkDeployment(ctx, kube, namespace, service),
	}
}

func checkDeployment(ctx context.Context, kube kubernetes.Interface, namespace, name string) finding {
	what := "deployment " + name
	d, err := kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return bad(what, "install the chart into "+namespace+", or say with --gateway-service where it is", "is not there")
	}
	if err != nil {
		return bad(what, "ask for the right to get deployments in "+namespace, "%v", err)
	}
	if d.Status.AvailableReplicas == 0 || d.Status.AvailableReplicas < d.Status.Replicas {
		return bad(what, fmt.Sprintf("kubectl describe pods -n %s, and kubectl logs -n %s deployment/%s", namespace, namespace, name),
			"%d of %d replicas are available%s", d.Status.AvailableReplicas, d.Status.Replicas, whyUnavailable(d))
	}
	return good(what, "%d of %d replicas are available", d.Status.AvailableReplicas, d.Status.Replicas)
}

func whyUnavailable(d *appsv1.Deployment) string {
	for _, c := range d.Status.Conditions {
		if c.Status != "True" && c.Message != "" {
			return ": " + c.Message
		}
	}
	return ""
}

// checkLeader looks whether a manager acts.
func checkLeader(ctx context.Context, kube kubernetes.Interface, namespace string) finding {
	const (
		what  = "leader of the managers"
		lease = "manager.bricklayers.dev" // as cmd/manager calls it
		log   = "look at the log of the managers, and whether they reach the API server"
	)
	found, err := kube.CoordinationV1().Leases(namespace).Get(ctx, lease, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return bad(what, log, "no manager has ever led: lease %s is not in %s", lease, namespace)
	}
	if err != nil {
		return bad(what, "ask for the right to get leases in "+namespace, "%v", err)
	}
	holder := ptr.Deref(found.Spec.HolderIdentity, "")
	if holder == "" || found.Spec.RenewTime == nil {
		return bad(what, log, "nobody holds lease %s", lease)
	}
	if age := time.Since(found.Spec.RenewTime.Time); age > time.Minute {
		return bad(what, log, "%s has not renewed lease %s for %s", holder, lease, age.Round(time.Second))
	}
	return good(what, "%s", holder)
}
