package chart

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// TestRefusedValues is what helm says before it touches a cluster.
func TestRefusedValues(t *testing.T) {
	for _, test := range []struct{ name, set, want string }{
		{"mistyped group", "gatewy.replicas=1", "additional properties 'gatewy' not allowed"},
		{"mistyped value", "gateway.replica=1", "additional properties 'replica' not allowed"},
		{"mistyped value of a processor", "processors.brick.enable=false", "additional properties 'enable' not allowed"},
		{"wrong type", "manager.replicas=two", "want integer"},
		{"unknown choice", "image.pullPolicy=Sometimes", "one of"},
		{"not a duration", "gateway.sweep.interval=10", "does not match pattern"},
		{"two gateways on a volume of one node", "gateway.replicas=2", "bucket.volume.accessModes to [ReadWriteMany]"},
		{"uploads where nobody watches", "watchNamespace=a,jobs.namespace=b", "jobs made by uploads would never run"},
		{"all namespaces for everybody", "gateway.auth.allNamespaces=true", "needs gateway.auth.mode=kubernetes"},
		{"all namespaces, one watched", "gateway.auth.mode=kubernetes,gateway.auth.allNamespaces=true,watchNamespace=a",
			"needs an empty watchNamespace"},
		{"webhooks without a secret", "gateway.webhooks.hosts={example.com}", "gateway.webhooks.secretName"},
		{"a route to nowhere", "gateway.httpRoute.enabled=true", "parentRefs must name the Gateway"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := "--set"
			if strings.Contains(test.set, "interval") {
				set = "--set-string"
			}
			_, err := template(t, set, test.set)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

// TestGatewayStrategy: two pods never write to a volume that one node may mount, and nothing else is interrupted.
func TestGatewayStrategy(t *testing.T) {
	for _, test := range []struct {
		name, set string
		want      appsv1.DeploymentStrategyType
		claim     string // empty: no volume
	}{
		{"volume of one node", "gateway.replicas=1", appsv1.RecreateDeploymentStrategyType, "bricklayers-bucket"},
		{"no gateway at all", "gateway.replicas=0", appsv1.RecreateDeploymentStrategyType, "bricklayers-bucket"},
		{"shared volume", "gateway.replicas=2,bucket.volume.accessModes={ReadWriteMany}",
			appsv1.RollingUpdateDeploymentStrategyType, "bricklayers-bucket"},
		{"claim of the user", "bucket.volume.existingClaim=mine", appsv1.RecreateDeploymentStrategyType, "mine"},
		{"bucket", "gateway.replicas=2,bucket.url=s3://prints", appsv1.RollingUpdateDeploymentStrategyType, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects := render(t, "--set", test.set)
			gateway := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-gateway")
			if got := gateway.Spec.Strategy.Type; got != test.want {
				t.Errorf("strategy is %s, want %s", got, test.want)
			}
			claim := ""
			for _, volume := range gateway.Spec.Template.Spec.Volumes {
				claim = volume.PersistentVolumeClaim.ClaimName
			}
			if claim != test.claim {
				t.Errorf("claim is %q, want %q", claim, test.claim)
			}
			claims := 0
			for _, object := range objects {
				if object.GetKind() == "PersistentVolumeClaim" {
					claims++
				}
			}
			if made := claims == 1; made != (test.claim == "bricklayers-bucket") {
				t.Errorf("the chart makes %d claims", claims)
			}
		})
	}
}

// TestWebhookRights: whose webhooks the gateway tells, it may watch, and nothing of other namespaces otherwise.
func TestWebhookRights(t *testing.T) {
	const hooks = "gateway.webhooks.hosts={example.com},gateway.webhooks.secretName=hooks"
	for _, test := range []struct {
		set               string
		watch, everywhere bool
	}{
		{"gateway.replicas=1", false, false},
		{hooks, true, true},
		{hooks + ",watchNamespace=prints", true, false},
	} {
		objects := render(t, "--set", test.set)
		var rules []rbacv1.PolicyRule
		if strings.Contains(test.set, "watchNamespace") {
			rules = find[rbacv1.Role](t, objects, "Role", "bricklayers-gateway").Rules
		} else {
			rules = find[rbacv1.ClusterRole](t, objects, "ClusterRole", "bricklayers-system:bricklayers-gateway").Rules
		}
		if got := slices.Contains(rules[0].Verbs, "watch"); rules[0].Resources[0] != "processingjobs" || got != test.watch {
			t.Errorf("%s: the gateway may %v", test.set, rules[0])
		}
		args := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-gateway").Spec.Template.Spec.Containers[0].Args
		if got := slices.Contains(args, "--webhook-all-namespaces"); got != test.everywhere {
			t.Errorf("%s: the gateway's arguments are %q", test.set, args)
		}
	}
}

// TestOneNamespace: with watchNamespace, all that is cluster-wide is the review of tokens, besides the definitions and
// the roles for users.
func TestOneNamespace(t *testing.T) {
	objects := render(t, "--set", "watchNamespace=prints,crds.enabled=false,rbac.aggregate=false")
	var clusterWide []string
	for _, object := range objects {
		if object.GetNamespace() == "" {
			clusterWide = append(clusterWide, object.GetKind()+" "+object.GetName())
		}
	}
	want := []string{
		"ClusterRole bricklayers-system:bricklayers-gateway-token-review",
		"ClusterRoleBinding bricklayers-system:bricklayers-gateway-token-review",
	}
	if !slices.Equal(clusterWide, want) {
		t.Errorf("cluster-wide are %q, want %q", clusterWide, want)
	}
	for _, name := range []string{"bricklayers-manager", "bricklayers-gateway", "bricklayers-gateway-uploads"} {
		if role := find[rbacv1.Role](t, objects, "Role", name); role.Namespace != "prints" {
			t.Errorf("Role %s is in namespace %s, want prints", name, role.Namespace)
		}
	}
	manager := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-manager")
	wantArg(t, manager, "--namespace=prints")
	gateway := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-gateway")
	wantArg(t, gateway, "--namespace=prints")
}

// TestRightsToAskWho: the gateway may ask what others may do only where it does, and has rights in all namespaces only
// where it serves them.
func TestRightsToAskWho(t *testing.T) {
	for _, test := range []struct {
		set           string
		reviews       bool
		uploads, name string
		args          []string
	}{
		{"gateway.auth.mode=none", false, "Role", "bricklayers-gateway-uploads", nil},
		{"gateway.auth.mode=kubernetes", true, "Role", "bricklayers-gateway-uploads", []string{"--auth=kubernetes"}},
		{"gateway.auth.mode=kubernetes,gateway.auth.allNamespaces=true", true, "ClusterRole",
			"bricklayers-system:bricklayers-gateway-uploads", []string{"--auth=kubernetes", "--all-namespaces"}},
	} {
		objects := render(t, "--set", test.set)
		role := find[rbacv1.ClusterRole](t, objects, "ClusterRole", "bricklayers-system:bricklayers-gateway-token-review")
		reviews := slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
			return slices.Contains(r.Resources, "subjectaccessreviews")
		})
		if reviews != test.reviews {
			t.Errorf("%s: may review what others may do: %t", test.set, reviews)
		}
		find[unstructured.Unstructured](t, objects, test.uploads, test.name)
		gateway := find[appsv1.Deployment](t, objects, "Deployment", "bricklayers-gateway")
		for _, arg := range test.args {
			wantArg(t, gateway, arg)
		}
		if test.args == nil && slices.Contains(gateway.Spec.Template.Spec.Containers[0].Args, "--auth=kubernetes") {
			t.Errorf("%s: asks who they are", test.set)
		}
	}
}

// TestBindings: every binding names a role that exists and the service account of the pod that needs it.
func TestBindings(t *testing.T) {
	for _, set := range []string{"watchNamespace=", "watchNamespace=prints", "gateway.serviceAccount.name=mine",
		"gateway.auth.mode=kubernetes,gateway.auth.allNamespaces=true"} {
		objects := render(t, "--set", set)
		bindings := 0
		for _, object := range objects {
			var ref rbacv1.RoleRef
			var subjects []rbacv1.Subject
			switch object.GetKind() {
			case "RoleBinding":
				binding := find[rbacv1.RoleBinding](t, objects, "RoleBinding", object.GetName())
				ref, subjects = binding.RoleRef, binding.Subjects
			case "ClusterRoleBinding":
				binding := find[rbacv1.ClusterRoleBinding](t, objects, "ClusterRoleBinding", object.GetName())
				ref, subjects = binding.RoleRef, binding.Subjects
			default:
				continue
			}
			bindings++
			if ref.Kind == "Role" {
				find[rbacv1.Role](t, objects, ref.Kind, ref.Name)
			} else {
				find[rbacv1.ClusterRole](t, objects, ref.Kind, ref.Name)
			}
			for _, subject := range subjects {
				account := find[corev1.ServiceAccount](t, objects, "ServiceAccount", subject.Name)
				if account.Namespace != subject.Namespace {
					t.Errorf("%s: %s is not in namespace %s", set, subject.Name, subject.Namespace)
				}
			}
		}
		if bindings != 6 {
			t.Errorf("%s: %d bindings, want 6", set, bindings)
		}
	}
}

func TestProcessors(t *testing.T) {
	objects := render(t, "--values", "testdata/everything.yaml")
	brick := find[v1alpha1.Processor](t, objects, "Processor", "brick")
	if got, want := brick.Spec.Container.Image, "registry.example.com/bricklayers/brick:v9"; got != want {
		t.Errorf("image left out is %s, want %s", got, want)
	}
	if got, want := brick.Spec.Pod.ServiceAccountName, "bricklayers-job"; got != want {
		t.Errorf("service account left out is %s, want %s", got, want)
	}
	stl := find[v1alpha1.Processor](t, objects, "Processor", "stl")
	if got, want := stl.Spec.Container.Image, "registry.example.com/stl:v1"; got != want {
		t.Errorf("image is %s, want %s", got, want)
	}
	absent(t, render(t, "--set", "processors.brick.enabled=false"), "Processor", "brick")
}

// TestImages: registry and tag reach every image, also those that stand in arguments.
func TestImages(t *testing.T) {
	out, err := template(t, "--set", "image.registry=localhost:5000/x/,image.tag=t1")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"manager", "gateway", "agent", "brick"} {
		if image := "localhost:5000/x/" + name + ":t1"; !strings.Contains(out, image) {
			t.Errorf("%s is not used", image)
		}
	}
	if strings.Contains(out, "image: bricklayers.dev/") || strings.Contains(out, ":"+appVersion(t)) {
		t.Error("the default registry or tag is still used")
	}
}

func wantArg(t *testing.T, deployment *appsv1.Deployment, arg string) {
	t.Helper()
	if args := deployment.Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, arg) {
		t.Errorf("%s has the arguments %q, want also %s", deployment.Name, args, arg)
	}
}

// appVersion is the version of the programs that the chart installs.
func appVersion(t *testing.T) string {
	t.Helper()
	return firstMatch(t, chartPath+"/Chart.yaml", `(?m)^appVersion: (\S+)$`)
}

func firstMatch(t *testing.T, path, pattern string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindSubmatch(content)
	if found == nil {
		t.Fatalf("%s has nothing that matches %s", path, pattern)
	}
	return string(found[1])
}

// TestOneVersion: what make builds is what the chart installs, and the chart counts with it.
func TestOneVersion(t *testing.T) {
	want := appVersion(t)
	if got := firstMatch(t, repoRoot+"/Makefile", `(?m)^TAG \?= (\S+)$`); got != want {
		t.Errorf("make builds %s, the chart installs %s", got, want)
	}
	if got := "v" + firstMatch(t, chartPath+"/Chart.yaml", `(?m)^version: (\S+)$`); got != want {
		t.Errorf("the chart is %s and installs %s", got, want)
	}
}
