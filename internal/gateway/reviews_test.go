package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// cluster plays the API server's reviews: a token is the name of its owner, who may what is listed.
type cluster struct {
	mu    sync.Mutex
	may   map[string][]string // by user: "get", or "get a" for the job a alone
	asked int
	away  error
}

func (c *cluster) create(ctx context.Context, kube client.WithWatch, object client.Object, opts ...client.CreateOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch review := object.(type) {
	case *authenticationv1.TokenReview:
		c.asked++
		review.Status.User.Username = review.Spec.Token
		review.Status.Authenticated = c.may[review.Spec.Token] != nil
		return c.away
	case *authorizationv1.SubjectAccessReview:
		c.asked++
		a := review.Spec.ResourceAttributes
		review.Status.Allowed = a.Resource == "processingjobs" && a.Group == "processing.bricklayers.dev" && a.Namespace == namespace &&
			slices.Contains(c.may[review.Spec.User], strings.TrimSpace(a.Verb+" "+a.Name))
		return c.away
	}
	return kube.Create(ctx, object, opts...)
}

// let says what a user may do from now on; without a right the user is a stranger.
func (c *cluster) let(user string, rights ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.may[user] = rights
}

func (c *cluster) setAway(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = err
}

// clock is one that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newAuthFixture(t *testing.T, objects ...client.Object) (*fixture, *cluster, *clock) {
	t.Helper()
	c := &cluster{may: map[string][]string{}}
	f := newFixture(t, interceptor.Funcs{Create: c.create}, objects...)
	time := &clock{now: time.Now()}
	f.reviews, f.index = newReviews(f.live, time), newIndex()
	return f, c, time
}

func (f *fixture) as(user, method, path string) *answer {
	f.t.Helper()
	return f.do(method, path, nil, "Authorization", "Bearer "+user)
}

// Nothing about jobs or files is open to somebody who does not say who they are.
func TestEveryCallAsksWho(t *testing.T) {
	f, _, _ := newAuthFixture(t)
	open := []string{"/healthz", "/readyz", "/metrics", "/", "/icon.svg", "/licenses.txt", "/assets/{file}",
		"/docs", "/api/v1/openapi.json"}
	calls := 0
	for _, route := range f.served() {
		method, path := route.Method, route.Endpoint
		if method == http.MethodOptions || slices.Contains(open, path) {
			continue
		}
		calls++
		a := f.do(method, strings.NewReplacer("{job_id}", "x", "{upload_id}", "x").Replace(path), nil)
		if a.status != 401 || method != http.MethodHead && a.reason() != "unauthenticated" || a.header.Get("WWW-Authenticate") != `Bearer realm="bricklayers"` {
			t.Errorf("%s %s: %d %s %q", method, path, a.status, a.body, a.header.Get("WWW-Authenticate"))
		}
	}
	if calls < 8 {
		t.Errorf("only %d calls", calls)
	}
}

func TestRBACDecides(t *testing.T) {
	f, c, _ := newAuthFixture(t, jobIn("a", v1alpha1.PhasePending), jobIn("b", v1alpha1.PhasePending))
	c.let("reader", "get", "list")
	c.let("one", "get a", "delete a")
	for _, test := range []struct {
		user, method, path string
		status             int
		reason             string
	}{
		{"stranger", "GET", "/api/v1/status/a", 401, "unauthenticated"},
		{"reader", "GET", "/api/v1/status/a", 200, ""},
		{"reader", "GET", "/api/v1/status/unknown", 404, "job_not_found"},
		{"reader", "GET", "/api/v1/jobs", 200, ""},
		{"reader", "GET", "/api/v1/processors", 403, "forbidden"},
		{"reader", "POST", "/api/v1/upload", 403, "forbidden"},
		{"reader", "DELETE", "/api/v1/jobs/a", 403, "forbidden"},
		{"reader", "GET", "/api/v1/status/a?namespace=elsewhere", 403, "forbidden"},
		{"one", "GET", "/api/v1/status/a", 200, ""},
		{"one", "GET", "/api/v1/status/b", 403, "forbidden"},
		{"one", "GET", "/api/v1/jobs", 403, "forbidden"},
		{"one", "DELETE", "/api/v1/jobs/a", 204, ""},
	} {
		if a := f.as(test.user, test.method, test.path); a.status != test.status || a.reason() != test.reason {
			t.Errorf("%s %s %s: %d %s", test.user, test.method, test.path, a.status, a.body)
		}
	}
	a := f.as("stranger", "GET", "/api/v1/status/a")
	if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="bricklayers", error="invalid_token"` {
		t.Errorf("WWW-Authenticate %q", got)
	}
}

func TestReviewsAreRememberedBriefly(t *testing.T) {
	f, c, clock := newAuthFixture(t, jobIn("a", v1alpha1.PhasePending))
	c.let("reader", "get")
	want := func(step string, status, asked int) {
		t.Helper()
		before := c.asked
		if a := f.as("reader", "GET", "/api/v1/status/a"); a.status != status || c.asked-before != asked {
			t.Errorf("%s: %d after %d questions, want %d after %d", step, a.status, c.asked-before, status, asked)
		}
	}
	want("first", 200, 2)
	want("again", 200, 0)
	c.let("reader", "nothing")
	want("just taken away", 200, 0)
	clock.advance(believedFor + time.Second)
	want("taken away", 403, 3) // whose token, any job, this job
	want("denied again", 403, 0)
	c.let("reader", "get")
	clock.advance(deniedFor + time.Second)
	want("given again", 200, 1)
	c.let("reader")
	clock.advance(believedFor + time.Second)
	want("token gone", 401, 1)
	want("token still gone", 401, 0)
}

// While the API server is away nobody new gets in, and nobody may more than read.
func TestDownloadsGoOnWhileTheAPIServerIsAway(t *testing.T) {
	f, c, clock := newAuthFixture(t, jobIn("a", v1alpha1.PhaseCompleted))
	f.commit("a", map[string]string{"out.gcode": "G28\n"})
	const download, upload = "/api/v1/download/a", "/api/v1/upload?name=a.gcode"
	want := func(step, user, method, path string, status int) {
		t.Helper()
		a := f.as(user, method, path)
		if a.status != status {
			t.Errorf("%s: %d %s, want %d", step, a.status, a.body, status)
		}
		if status == 503 && (a.reason() != "cluster_unavailable" || a.header.Get("Retry-After") == "" || a.header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: %s %v", step, a.body, a.header)
		}
	}
	c.let("reader", "get", "create")
	c.let("one", "get a")
	c.let("denied", "nothing")
	want("reader", "reader", "GET", download, 200)
	want("reader's upload without a file", "reader", "POST", upload, 400)
	want("one", "one", "GET", download, 200)
	want("denied", "denied", "GET", download, 403)

	for name, away := range map[string]error{
		"connection refused": errors.New("connection refused"),
		"has too much to do": apierrors.NewTooManyRequestsError("later"),
		"is broken":          apierrors.NewInternalError(errors.New("etcd is away")),
	} {
		c.setAway(away)
		clock.advance(believedFor + time.Second)
		want(name+": reader", "reader", "GET", download, 200)
		asked := c.asked
		want(name+": reader again", "reader", "GET", download, 200)
		if c.asked != asked {
			t.Errorf("%s: %d questions in vain within a moment", name, c.asked-asked)
		}
		want(name+": one", "one", "GET", download, 200)
		want(name+": reader's upload", "reader", "POST", upload, 503)
		want(name+": stranger", "stranger", "GET", download, 503)
		want(name+": denied", "denied", "GET", download, 503)
	}
	c.setAway(apierrors.NewForbidden(schema.GroupResource{Resource: "tokenreviews"}, "", nil))
	clock.advance(believedFor)
	want("the gateway may not ask", "reader", "GET", download, 503)

	c.setAway(nil)
	c.let("one", "nothing")
	want("back, right taken away", "one", "GET", download, 403)
	want("back, right taken away", "reader", "GET", download, 200)
	c.setAway(errors.New("connection refused"))
	want("away again, no right", "one", "GET", download, 403)
	clock.advance(believedFor + believedAway + time.Second)
	want("away for long", "reader", "GET", download, 503)
}

// What is asked for is remembered, so that it must not be of any size.
func TestNothingIsAskedAboutWhatCannotBe(t *testing.T) {
	f, c, _ := newAuthFixture(t)
	c.let("reader", "get", "list")
	long := strings.Repeat("x", 1000)
	for _, test := range []struct {
		path, reason string
		asked        int
	}{
		{"/api/v1/jobs?namespace=" + long, "namespace_not_served", 0},
		{"/api/v1/status/a?namespace=a%2fb", "namespace_not_served", 0},
		{"/api/v1/status/" + long, "job_not_found", 1}, // whose token it is
		{"/api/v1/download/a%00b", "job_not_found", 0},
	} {
		before := c.asked
		a := f.as("reader", "GET", test.path)
		if a.status != 404 || a.reason() != test.reason || c.asked-before != test.asked {
			t.Errorf("%.40s: %d %.200s after %d questions", test.path, a.status, a.body, c.asked-before)
		}
	}
	if keys := f.reviews.decisions.Keys(); len(keys) > 0 {
		t.Errorf("remembered %v", keys)
	}
	if a := f.do("GET", "/api/v1/status/"+long, nil); a.status != 401 {
		t.Errorf("without a token: %d", a.status)
	}
}

// Made-up tokens neither keep the API server busy nor have it forgotten who is known.
func TestMadeUpTokensAreLimited(t *testing.T) {
	f, c, clock := newAuthFixture(t, jobIn("a", v1alpha1.PhasePending))
	c.let("reader", "get")
	f.as("reader", "GET", "/api/v1/status/a")
	before, refused := c.asked, 0
	for i := range 200 {
		switch a := f.as("made-up-"+strconv.Itoa(i), "GET", "/api/v1/status/a"); a.status {
		case 401:
		case 429:
			refused++
			if a.reason() != "too_many_requests" || a.header.Get("Retry-After") == "" {
				t.Fatalf("%s %v", a.body, a.header)
			}
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if asked := c.asked - before; asked > 100 || refused != 200-asked {
		t.Errorf("%d questions, %d refusals", asked, refused)
	}
	if n := len(f.reviews.users.Keys()); n != 1 {
		t.Errorf("%d users are known", n)
	}
	c.let("new", "get")
	if a := f.as("new", "GET", "/api/v1/status/a"); a.status != 429 {
		t.Errorf("a user nobody knows yet: %d", a.status)
	}
	clock.advance(time.Second)
	if a := f.as("new", "GET", "/api/v1/status/a"); a.status != 200 {
		t.Errorf("a second later: %d %s", a.status, a.body)
	}
	clock.advance(believedFor)
	f.reviews.unknown.SetBurstAt(clock.Now(), 0) // as if more of them had come
	if a := f.as("reader", "GET", "/api/v1/status/a"); a.status != 200 {
		t.Errorf("who was known is asked about again: %d %s", a.status, a.body)
	}
}

// A long poll that outlives the caller's right tells nothing more.
func TestLongPollAsksAgain(t *testing.T) {
	f, c, clock := newAuthFixture(t, jobIn("a", v1alpha1.PhasePending))
	c.let("reader", "get")
	f.whenWaiting("a", func() {
		c.let("reader")
		clock.advance(believedFor + time.Second)
		f.setPhase(v1alpha1.PhaseCompleted)
	})
	if a := f.as("reader", "GET", "/api/v1/status/a?wait=50s"); a.status != http.StatusUnauthorized {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestStreamsEndWithTheRight(t *testing.T) {
	f, c, clock := newAuthFixture(t, jobIn("a", v1alpha1.PhasePending))
	f.heartbeat = time.Millisecond
	for _, stream := range []struct{ method, path, body string }{
		{"GET", "/api/v1/status/a/events", ""}, {"POST", "/api/v1/events", `{"jobs": {"a": ""}}`},
	} {
		c.let("reader", "get")
		clock.advance(believedFor + time.Second)
		f.whenWaiting("a", func() {
			c.let("reader")
			clock.advance(believedFor + time.Second)
		})
		a := f.do(stream.method, stream.path, strings.NewReader(stream.body), "Authorization", "Bearer reader")
		if a.status != 200 || !strings.Contains(string(a.body), "event: status") {
			t.Errorf("%s: %d %s", stream.path, a.status, a.body)
		}
	}
}

func TestStreamAsksAgain(t *testing.T) {
	check := errors.New("unset")
	ctx := context.WithValue(t.Context(), callerKey{}, caller{check: func(context.Context) error { return check }})
	for _, test := range []struct {
		says error
		goOn bool
	}{
		{nil, true},
		{clusterProblem(errors.New("away")), true},
		{fail(http.StatusForbidden, reasonForbidden, "no"), false},
		{fail(http.StatusUnauthorized, reasonUnauthenticated, "no"), false},
	} {
		check = test.says
		if got := stillAllowed(ctx) == nil; got != test.goOn {
			t.Errorf("%v: goes on %v", test.says, got)
		}
	}
}

func TestOtherNamespacesAreNotServed(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending))
	if a := f.do("GET", "/api/v1/status/a?namespace=elsewhere", nil); a.status != 404 || a.reason() != "namespace_not_served" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// With all namespaces served, the links of a job in another one lead there.
func TestLinksNameTheNamespace(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("a", v1alpha1.PhasePending))
	job := jobIn("b", v1alpha1.PhasePending)
	job.Namespace = "elsewhere"
	if got := f.describe(job).Links.Events; got != "/api/v1/status/b/events?namespace=elsewhere" {
		t.Errorf("events at %q", got)
	}
}
