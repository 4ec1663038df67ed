package rights

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var gateway = Account{"system", "gateway"}

func line(verb, group, resource, namespace, name, decision string) string {
	return `{"verb":"` + verb + `","user":{"username":"system:serviceaccount:system:gateway"},"requestURI":"/x",` +
		`"objectRef":{"apiGroup":"` + group + `","resource":"` + resource + `","namespace":"` + namespace + `","name":"` +
		name + `"},"annotations":{"authorization.k8s.io/decision":"` + decision + `"}}` + "\n"
}

// grants gives the gateway wide rights everywhere, and narrower ones in one namespace.
func grants() []Right {
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "system", Name: "gateway"}}
	everywhere := rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "wide"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"p"}, Resources: []string{"jobs"}, Verbs: []string{"get", "list", "watch"}},
	}}
	there := rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "prints", Name: "narrow"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"p"}, Resources: []string{"jobs", "jobs/status"}, Verbs: []string{"get"}},
		{APIGroups: []string{"c"}, Resources: []string{"leases"}, Verbs: []string{"update"}, ResourceNames: []string{"ours"}},
	}}
	return Granted([]Account{gateway}, []rbacv1.Role{there}, []rbacv1.ClusterRole{everywhere},
		[]rbacv1.RoleBinding{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "prints"}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "narrow"},
		}},
		[]rbacv1.ClusterRoleBinding{{Subjects: subjects, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "wide"}}})
}

func compare(t *testing.T, log string, exemptions ...Exemption) Comparison {
	t.Helper()
	requests, err := Read(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	return Compare(grants(), requests, exemptions)
}

func TestUnused(t *testing.T) {
	for _, c := range []struct {
		name, log string
		exempt    []Exemption
		want      string
	}{
		{
			name: "a wide right is not used where a narrower one would do",
			log: line("get", "p", "jobs", "prints", "a", "allow") + line("get", "p", "jobs/status", "prints", "a", "allow") +
				line("watch", "p", "jobs", "", "", "allow") + line("update", "c", "leases", "prints", "ours", "allow"),
			want: "gateway get jobs.p (everywhere, role wide)",
		},
		{
			name: "a right over one object is not used for another",
			log: line("get", "p", "jobs", "prints", "a", "allow") + line("get", "p", "jobs", "other", "a", "allow") +
				line("watch", "p", "jobs", "", "", "allow") + line("update", "c", "leases", "prints", "theirs", "allow"),
			want: "gateway update leases.c ours (in prints, role narrow); gateway get jobs/status.p (in prints, role narrow)",
			exempt: []Exemption{
				{"gateway", "jobs", "get", "not this one"},
			},
		},
		{
			name: "an exemption holds for one verb of one resource",
			log: line("get", "p", "jobs", "prints", "a", "allow") + line("watch", "p", "jobs", "", "", "allow") +
				line("update", "c", "leases", "prints", "ours", "allow"),
			exempt: []Exemption{{"gateway", "jobs", "get", "why"}, {"manager", "jobs/status", "get", "another's"}},
			want:   "gateway get jobs/status.p (in prints, role narrow)",
		},
		{
			name:   "list without a watch that was used",
			log:    line("get", "p", "jobs", "prints", "a", "allow") + line("get", "p", "jobs", "other", "a", "allow"),
			exempt: []Exemption{{"gateway", "leases", "update", "why"}, {"gateway", "jobs/status", "get", "why"}},
			want:   "gateway list jobs.p (everywhere, role wide); gateway watch jobs.p (everywhere, role wide)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			comparison := compare(t, c.log, c.exempt...)
			var unused []string
			for _, right := range comparison.Unused() {
				unused = append(unused, right.String())
			}
			if got := strings.Join(unused, "; "); got != c.want {
				t.Errorf("unused: %s\nwant:   %s\n%s", got, c.want, comparison.String())
			}
		})
	}
}

func TestDenied(t *testing.T) {
	c := compare(t, line("delete", "p", "jobs", "prints", "a", "forbid")+line("get", "p", "jobs", "prints", "a", "allow")+
		strings.ReplaceAll(line("get", "", "secrets", "prints", "a", "forbid"), "gateway", "stranger"))
	if len(c.Denied) != 1 || c.Denied[0].Verb != "delete" {
		t.Errorf("denied: %+v", c.Denied)
	}
}

func TestReadsWhatIsBeingWritten(t *testing.T) {
	whole := line("get", "p", "jobs", "prints", "a", "allow")
	requests, err := Read(strings.NewReader(whole + whole[:20]))
	if err != nil || len(requests) != 1 {
		t.Errorf("%d requests, %v", len(requests), err)
	}
	if _, err := Read(strings.NewReader("nonsense\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("nonsense was read: %v", err)
	}
}
