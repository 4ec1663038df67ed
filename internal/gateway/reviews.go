package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// reviews asks the Kubernetes API whose token it is and what its owner may do, so that RBAC decides. Answers are
// remembered briefly, by a hash of the token: no token lies around in memory.
type reviews struct {
	live      client.Client
	clock     cache.Clock
	users     *cache.LRUExpireCache // tokenHash → *reviewed, a yes
	strangers *cache.LRUExpireCache // tokenHash → *reviewed, a no: made-up tokens displace no user
	decisions *cache.LRUExpireCache // decisionKey → *reviewed
	unknown   *rate.Limiter         // of questions about tokens that nobody knows, which anybody can send
}

type tokenHash [sha256.Size]byte

// reviewed is an answer of the Kubernetes API.
type reviewed struct {
	ok    bool
	user  authenticationv1.UserInfo // whose token it is; unset in a decision
	fresh time.Time                 // nobody asks again before
	// unanswered is when, in nanoseconds since 1970, a question whether this still holds got no answer.
	unanswered atomic.Int64
}

// access is something that a user wants to do.
type access struct {
	namespace, resource, verb string
	name                      string // of the job, if it is about one
}

type decisionKey struct {
	token tokenHash
	access
}

const (
	// believedFor is how long a token or a right that was taken away may still be used.
	believedFor = 30 * time.Second
	// deniedFor is shorter: who has just been given a right does not want to wait.
	deniedFor = 5 * time.Second
	// believedAway is how much longer a yes is believed for reading while the API server does not answer: downloads go on.
	believedAway = 15 * time.Minute
	// reviewTimeout bounds one question, reviewAgainTimeout one that an old yes can answer instead.
	reviewTimeout      = 10 * time.Second
	reviewAgainTimeout = 2 * time.Second

	// verbRead is the one for which an old yes does.
	verbRead = "get"

	maxUsers     = 4096
	maxStrangers = 1024
	maxDecisions = 16384
)

func newReviews(live client.Client, clock cache.Clock) *reviews {
	return &reviews{
		live:      live,
		clock:     clock,
		users:     cache.NewLRUExpireCacheWithClock(maxUsers, clock),
		strangers: cache.NewLRUExpireCacheWithClock(maxStrangers, clock),
		decisions: cache.NewLRUExpireCacheWithClock(maxDecisions, clock),
		unknown:   rate.NewLimiter(50, 100),
	}
}

// wallClock is the time of day.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// recall returns what is remembered, and whether that will do without asking.
func (v *reviews) recall(from *cache.LRUExpireCache, key any, verb string) (r *reviewed, enough bool) {
	found, ok := from.Get(key)
	if !ok {
		return nil, false
	}
	r = found.(*reviewed)
	now := v.clock.Now()
	askedInVain := time.Unix(0, r.unanswered.Load())
	return r, now.Before(r.fresh) || r.ok && verb == verbRead && now.Before(askedInVain.Add(deniedFor))
}

// remember keeps an answer; a yes for longer than it is fresh.
func (v *reviews) remember(in *cache.LRUExpireCache, key any, r *reviewed) {
	lifetime, keep := deniedFor, deniedFor
	if r.ok {
		lifetime, keep = believedFor, believedFor+believedAway
	}
	r.fresh = v.clock.Now().Add(lifetime)
	in.Add(key, r, keep)
}

// ask asks a question. An old yes is the answer when it is only about reading and nobody answers.
func (v *reviews) ask(ctx context.Context, old *reviewed, verb string, question func(context.Context) (*reviewed, error),
) (*reviewed, error) {
	oldDoes := old != nil && old.ok && verb == verbRead
	timeout := reviewTimeout
	if oldDoes {
		timeout = reviewAgainTimeout
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := question(asking)
	if err == nil {
		return found, nil
	}
	if oldDoes && ctx.Err() == nil && noAnswer(err) {
		old.unanswered.Store(v.clock.Now().UnixNano())
		return old, nil
	}
	return nil, asClusterProblem(err)
}

// noAnswer tells an API server that is away, or has too much to do, from one that refuses.
func noAnswer(err error) bool {
	var answered apierrors.APIStatus
	if !errors.As(err, &answered) {
		return true
	}
	code := answered.Status().Code
	return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
}

// knows tells whether authenticate answers without asking.
func (v *reviews) knows(token, verb string) bool {
	if token == "" {
		return true
	}
	_, enough := v.recallUser(token, verb)
	return enough
}

func (v *reviews) recallUser(token, verb string) (r *reviewed, enough bool) {
	key := hashOf(token)
	if r, enough = v.recall(v.users, key, verb); r != nil {
		return r, enough
	}
	return v.recall(v.strangers, key, verb)
}

func hashOf(token string) tokenHash { return sha256.Sum256([]byte(token)) }

// authenticate returns whose token it is. The verb is of what the owner wants to do.
func (v *reviews) authenticate(ctx context.Context, token, verb string) (*authenticationv1.UserInfo, error) {
	if token == "" {
		return nil, fail(http.StatusUnauthorized, reasonUnauthenticated,
			"say who you are: send a token of this Kubernetes cluster as Authorization: Bearer TOKEN, such as kubectl "+
				"create token makes")
	}
	r, enough := v.recallUser(token, verb)
	if !enough {
		if r == nil && !v.unknown.AllowN(v.clock.Now(), 1) {
			return nil, fail(http.StatusTooManyRequests, reasonTooManyRequests,
				"too many requests with tokens that are new here; try again").after(time.Second)
		}
		var err error
		r, err = v.ask(ctx, r, verb, func(ctx context.Context) (*reviewed, error) { return v.reviewToken(ctx, token) })
		if err != nil {
			return nil, err
		}
	}
	if !r.ok {
		return nil, fail(http.StatusUnauthorized, reasonUnauthenticated,
			"the Kubernetes API does not know this token; it may have expired, get a new one")
	}
	return &r.user, nil
}

func (v *reviews) reviewToken(ctx context.Context, token string) (*reviewed, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := v.live.Create(ctx, review); err != nil {
		return nil, fmt.Errorf("review a caller's token: %w", err)
	}
	found := &reviewed{user: review.Status.User, ok: review.Status.Authenticated}
	if found.ok {
		v.remember(v.users, hashOf(token), found)
	} else {
		v.users.Remove(hashOf(token))
		v.remember(v.strangers, hashOf(token), found)
	}
	return found, nil
}

// authorize says whether the user of a token may do something. A right that is limited to names of jobs is found only by
// asking for the name, which nobody else needs.
func (v *reviews) authorize(ctx context.Context, token string, user *authenticationv1.UserInfo, wanted access) error {
	named := decisionKey{token: hashOf(token), access: wanted}
	all := named
	all.name = ""
	keys := []decisionKey{all}
	if wanted.name != "" {
		keys = append(keys, named)
		if old, _ := v.recall(v.decisions, named, wanted.verb); old != nil && old.ok {
			slices.Reverse(keys) // while nobody answers, the question for all names would be in vain
		}
	}
	for _, key := range keys {
		if allowed, err := v.decide(ctx, user, key); allowed || err != nil {
			return err
		}
	}
	return fail(http.StatusForbidden, reasonForbidden, "%s may not %s %s in namespace %q; its Roles there decide",
		user.Username, wanted.verb, wanted.resource, wanted.namespace)
}

func (v *reviews) decide(ctx context.Context, user *authenticationv1.UserInfo, key decisionKey) (bool, error) {
	r, enough := v.recall(v.decisions, key, key.verb)
	if !enough {
		var err error
		r, err = v.ask(ctx, r, key.verb, func(ctx context.Context) (*reviewed, error) { return v.reviewAccess(ctx, user, key) })
		if err != nil {
			return false, err
		}
	}
	return r.ok, nil
}

func (v *reviews) reviewAccess(ctx context.Context, user *authenticationv1.UserInfo, key decisionKey) (*reviewed, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for name, value := range user.Extra {
		extra[name] = authorizationv1.ExtraValue(value)
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: key.namespace, Verb: key.verb, Name: key.name,
			Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Resource: key.resource,
		},
	}}
	if err := v.live.Create(ctx, review); err != nil {
		return nil, fmt.Errorf("review what %s may do: %w", user.Username, err)
	}
	found := &reviewed{ok: review.Status.Allowed}
	v.remember(v.decisions, key, found)
	return found, nil
}
