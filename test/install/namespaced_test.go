package install_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// TestOneNamespace: a release that may look at one namespace only, whose definitions somebody else installs, in user
// namespaces. It does its work there, has no right elsewhere but to have tokens reviewed, and leaves a neighbour's jobs be.
func TestOneNamespace(t *testing.T) {
	const team, neighbour = "team", "neighbour"
	makeNamespace(t, team)
	makeNamespace(t, neighbour)
	r := &release{cluster, team}
	if err := r.Run(t.Context(), "kubectl", "apply", "--server-side", "-f", thisChart+"/files/crds/"); err != nil {
		t.Fatal(err)
	}
	r.helm(t, "install", "bricklayers", thisChart, "--set",
		"crds.enabled=false,watchNamespace="+team+",manager.hostUsers=false,gateway.hostUsers=false")
	r.helm(t, "test", "bricklayers")
	r.processor(t, "copy", func(s *v1alpha1.ProcessorSpec) { s.Pod.HostUsers = ptr.To(false) })
	other := &release{cluster, neighbour}
	other.processor(t, "copy")
	ignored := r.job(t, neighbour, "copy")
	load, stop := startLoad(t, r.gateway(t), 1)
	eventually(t, "uploads to come back", time.Minute, func(context.Context) (bool, error) { return load.done.Load() >= 2, nil })
	stop()
	for _, fault := range load.faults {
		t.Error(fault)
	}
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(ignored), ignored); err != nil || ignored.Status.JobName != "" {
		t.Errorf("the neighbour's job was run: %+v (%v)", ignored.Status, err)
	}
	r.ownUsers(t, "app.kubernetes.io/instance")
	r.ownUsers(t, labelOfTheJob)
	r.onlyTokenReviewsEverywhere(t)
	r.nothingDenied(t)
	r.helm(t, "uninstall", "bricklayers")
	r.deleteNamespace(t)
	other.deleteNamespace(t)
	for _, name := range []string{"processingjobs", "processors"} {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		definition.Name = name + "." + v1alpha1.GroupVersion.Group
		if err := r.Delete(t.Context(), definition); err != nil {
			t.Errorf("definitions that are not the release's are gone with it: %v", err)
		}
	}
}

// ownUsers fails unless the pods with a label are in user namespaces.
func (r *release) ownUsers(t *testing.T, label string) {
	t.Helper()
	pods := &corev1.PodList{}
	err := r.List(t.Context(), pods, client.InNamespace(r.namespace), client.HasLabels{label})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	for _, pod := range pods.Items {
		if pod.Spec.HostUsers == nil || *pod.Spec.HostUsers {
			t.Errorf("pod %s uses the node's users", pod.Name)
		}
	}
}

// onlyTokenReviewsEverywhere looks at what is bound to the release's service accounts in the whole cluster.
func (r *release) onlyTokenReviewsEverywhere(t *testing.T) {
	t.Helper()
	bindings, roles := &rbacv1.ClusterRoleBindingList{}, map[string][]rbacv1.PolicyRule{}
	if err := r.List(t.Context(), bindings); err != nil {
		t.Fatal(err)
	}
	list := &rbacv1.ClusterRoleList{}
	if err := r.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for _, role := range list.Items {
		roles[role.Name] = role.Rules
	}
	var rights []string
	for _, binding := range bindings.Items {
		for _, subject := range binding.Subjects {
			if subject.Namespace != r.namespace {
				continue
			}
			for _, rule := range roles[binding.RoleRef.Name] {
				rights = append(rights, subject.Name+": "+strings.Join(rule.Verbs, ",")+" "+strings.Join(rule.Resources, ","))
			}
		}
	}
	if len(rights) != 1 || rights[0] != "bricklayers-gateway: create tokenreviews" {
		t.Errorf("rights everywhere: %q", rights)
	}
}
