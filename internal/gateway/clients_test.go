package gateway

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func TestClientRate(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending))
	f.clients = newClients(ClientLimits{Rate: 0.001, Burst: 3, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	get := func(from string) *answer { return f.do("GET", "/api/v1/status/a", nil, "X-Forwarded-For", from) }
	for left := 2; left >= 0; left-- {
		a := get("192.0.2.1")
		if a.status != 200 || !strings.HasPrefix(a.header.Get("RateLimit"), `"client";r=`+strconv.Itoa(left)+";t=") ||
			a.header.Get("RateLimit-Policy") != `"client";q=3;w=3000` {
			t.Errorf("with %d left: %d %v", left, a.status, a.header)
		}
	}
	a := get("192.0.2.1")
	if after, err := strconv.Atoi(a.header.Get("Retry-After")); a.status != 429 || a.reason() != "too_many_requests" || err != nil || after < 900 || after > 1000 {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
	if a := get("192.0.2.2"); a.status != 200 {
		t.Errorf("another client: %d", a.status)
	}
	for _, path := range []string{"/healthz", "/metrics", "/"} {
		if a := f.do("GET", path, nil, "X-Forwarded-For", "192.0.2.1"); a.status != 200 {
			t.Errorf("%s is limited: %d", path, a.status)
		}
	}
}

func TestClientConcurrency(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending))
	f.clients = newClients(ClientLimits{Concurrency: 1})
	stream := f.listen("a", "")
	if a := f.do("GET", "/api/v1/status/a", nil); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("beside a stream: %d", a.status)
	}
	f.setPhase(v1alpha1.PhaseCompleted)
	for kind := "status"; kind != ""; {
		kind, _, _ = event(t, stream)
	}
	if a := f.do("GET", "/api/v1/status/a", nil); a.status != 200 {
		t.Errorf("after it: %d", a.status)
	}
}

// Users are limited each for themselves, and tokens that nobody knows by where they come from: each is a question to the
// Kubernetes API.
func TestUsersAreClients(t *testing.T) {
	f, c, _ := newAuthFixture(t, jobIn("a", v1alpha1.PhasePending))
	c.let("alice", "get")
	c.let("bob", "get")
	f.clients = newClients(ClientLimits{Rate: 0.001, Burst: 5})
	want := func(user string, status int) {
		t.Helper()
		if a := f.as(user, "GET", "/api/v1/status/a"); a.status != status {
			t.Errorf("%s: %d %s, want %d", user, a.status, a.body, status)
		}
	}
	for range 5 {
		want("alice", 200)
	}
	want("alice", 429)
	want("bob", 200)
	for _, guess := range []string{"1", "2", "3"} { // two of the address's five were alice's and bob's first
		want(guess, 401)
	}
	asked := c.asked
	want("4", 429)
	want("bob", 200)
	if c.asked != asked {
		t.Errorf("%d questions more", c.asked-asked)
	}
}

func TestAddress(t *testing.T) {
	c := newClients(ClientLimits{Concurrency: 1, TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"),
	}})
	for _, test := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.1", "192.0.2.1"}, // whoever it is may say what they like
		{"10.1.1.1:5", "198.51.100.1", "198.51.100.1"},
		{"[::ffff:10.1.1.1]:5", "198.51.100.1", "198.51.100.1"},
		{"10.1.1.1:5", "203.0.113.9, 198.51.100.1, 10.2.2.2", "198.51.100.1"},
		{"10.1.1.1:5", "203.0.113.9, nonsense, 10.2.2.2", "10.2.2.2"},
		{"10.1.1.1:5", "", "10.1.1.1"},
		{"[fd00::1]:5", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		{"[2001:db8:1:2:ffff::]:5", "", "2001:db8:1:2::/64"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = test.remote
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if got := c.address(r); got != test.want {
			t.Errorf("%s for %q: %s, want %s", test.remote, test.forwarded, got, test.want)
		}
	}
}
