package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/controlplane"
)

// account makes a service account that may do that with ProcessingJobs in a namespace, and returns a token of it.
func (g *gateway) account(namespace, name string, rules ...rbacv1.PolicyRule) string {
	g.t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	for _, err := range []error{
		g.cp.Client.Create(g.t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}),
		g.cp.Client.Create(g.t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}),
		g.cp.Client.Create(g.t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: name}},
		}),
	} {
		if err != nil {
			g.t.Fatal(err)
		}
	}
	clients, err := kubernetes.NewForConfig(g.cp.Config)
	if err != nil {
		g.t.Fatal(err)
	}
	answer, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(g.t.Context(), name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](3600)}},
		metav1.CreateOptions{})
	if err != nil {
		g.t.Fatal(err)
	}
	return answer.Status.Token
}

func mayOnJobs(verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"processingjobs"}, Verbs: verbs}
}

// eventuallyAnswers repeats a request until it is answered so: RBAC's authorizer learns of a Role by a watch.
func (g *gateway) eventuallyAnswers(status int, method, path, token string) {
	g.t.Helper()
	controlplane.Eventually(g.t, method+" "+path+" to be answered as it should be", func(context.Context) (bool, error) {
		var body strings.Reader
		return g.call(method, "http://"+g.address+path, &body, token, nil) == status, nil
	})
}

func TestRBACDecidesWhoMayWhat(t *testing.T) {
	g := startGateway(t, "--auth=kubernetes", "--all-namespaces")
	other := g.cp.Namespace(t)
	processor := &v1alpha1.Processor{
		ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "brick"},
		Spec:       v1alpha1.ProcessorSpec{Container: v1alpha1.ProcessorContainer{Image: "example.com/brick"}},
	}
	if err := g.cp.Client.Create(t.Context(), processor); err != nil {
		t.Fatal(err)
	}
	writer := g.account(g.namespace, "writer", mayOnJobs("create", "get"))
	reader := g.account(g.namespace, "reader", mayOnJobs("get", "list"))
	owner := g.account(other, "owner", mayOnJobs("create", "get", "list", "delete"))
	g.eventuallyAnswers(http.StatusBadRequest, "POST", "/api/v1/upload", writer) // allowed, but no file
	g.eventuallyAnswers(http.StatusOK, "GET", "/api/v1/jobs", reader)
	g.eventuallyAnswers(http.StatusOK, "GET", "/api/v1/jobs?namespace="+other, owner)

	upload := func(token, namespace string) (int, view) {
		var v view
		url := "http://" + g.address + "/api/v1/upload?name=a.gcode&namespace=" + namespace
		return g.call("POST", url, strings.NewReader(gcode), token, &v), v
	}
	status, here := upload(writer, "")
	if status != http.StatusCreated {
		t.Fatalf("the writer's upload: %d %+v", status, here)
	}
	status, there := upload(owner, other)
	if status != http.StatusCreated {
		t.Fatalf("the other namespace's upload: %d %+v", status, there)
	}
	for _, test := range []struct {
		who, token, method, path string
		status                   int
	}{
		{"nobody", "", "GET", "/api/v1/status/" + here.JobID, 401},
		{"a forger", writer + "x", "GET", "/api/v1/status/" + here.JobID, 401},
		{"writer", writer, "GET", "/api/v1/status/" + here.JobID, 200},
		{"writer", writer, "GET", "/api/v1/status/" + there.JobID + "?namespace=" + other, 403},
		{"writer", writer, "GET", "/api/v1/jobs", 403},
		{"writer", writer, "DELETE", "/api/v1/jobs/" + here.JobID, 403},
		{"reader", reader, "GET", "/api/v1/download/" + here.JobID, 409},
		{"reader", reader, "POST", "/api/v1/upload?name=a.gcode", 403},
		{"owner", owner, "GET", "/api/v1/status/" + here.JobID, 403},
		{"owner", owner, "GET", "/api/v1/status/" + there.JobID + "?namespace=" + other, 200},
		{"owner", owner, "GET", "/api/v1/status/" + there.JobID, 403}, // in the gateway's own namespace
		{"owner", owner, "DELETE", "/api/v1/jobs/" + there.JobID + "?namespace=" + other, 204},
	} {
		if got := g.call(test.method, "http://"+g.address+test.path, nil, test.token, nil); got != test.status {
			t.Errorf("%s: %s %s: %d, want %d", test.who, test.method, test.path, got, test.status)
		}
	}
}
