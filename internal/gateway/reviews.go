package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// reviews asks the Kubernetes API whose token it is and what its owner may do, so that RBAC decides. Answers are
// remembered briefly, by a hash of the token: no token lies around in memory.
type reviews struct {
	live      client.Client
	users     *cache.LRUExpireCache // tokenHash → reviewed
	decisions *cache.LRUExpireCache // decisionKey → bool
}

type tokenHash [sha256.Size]byte

type reviewed struct {
	user authenticationv1.UserInfo
	ok   bool
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
	// reviewTimeout bounds one question.
	reviewTimeout = 10 * time.Second

	maxUsers     = 4096
	maxDecisions = 16384
)

func newReviews(live client.Client) *reviews {
	return &reviews{
		live:      live,
		users:     cache.NewLRUExpireCache(maxUsers),
		decisions: cache.NewLRUExpireCache(maxDecisions),
	}
}

// knows tells whether authenticate answers without asking.
func (v *reviews) knows(token string) bool {
	if token == "" {
		return true
	}
	_, ok := v.users.Get(tokenHash(sha256.Sum256([]byte(token))))
	return ok
}

// authenticate returns whose token it is.
func (v *reviews) authenticate(ctx context.Context, token string) (*authenticationv1.UserInfo, error) {
	if token == "" {
		return nil, fail(http.StatusUnauthorized, reasonUnauthenticated,
			"say who you are: send a token of this Kubernetes cluster as Authorization: Bearer TOKEN, such as kubectl "+
				"create token makes")
	}
	key := tokenHash(sha256.Sum256([]byte(token)))
	known, ok := v.users.Get(key)
	if !ok {
		found, err := v.reviewToken(ctx, token)
		if err != nil {
			return nil, err
		}
		v.users.Add(key, found, lifetime(found.ok))
		known = found
	}
	if r := known.(*reviewed); r.ok {
		return &r.user, nil
	}
	return nil, fail(http.StatusUnauthorized, reasonUnauthenticated,
		"the Kubernetes API does not know this token; it may have expired, get a new one")
}

func (v *reviews) reviewToken(ctx context.Context, token string) (*reviewed, error) {
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := v.live.Create(ctx, review); err != nil {
		return nil, asClusterProblem(fmt.Errorf("review a caller's token: %w", err))
	}
	return &reviewed{user: review.Status.User, ok: review.Status.Authenticated}, nil
}

// authorize says whether the user of a token may do something. A right that is limited to names of jobs is found only by
// asking for the name, which nobody else needs.
func (v *reviews) authorize(ctx context.Context, token string, user *authenticationv1.UserInfo, wanted access) error {
	key := decisionKey{token: tokenHash(sha256.Sum256([]byte(token))), access: wanted}
	key.name = ""
	allowed, err := v.decide(ctx, user, key)
	if err == nil && !allowed && wanted.name != "" {
		key.name = wanted.name
		allowed, err = v.decide(ctx, user, key)
	}
	if err != nil {
		return err
	}
	if !allowed {
		return fail(http.StatusForbidden, reasonForbidden, "%s may not %s %s in namespace %q; its Roles there decide",
			user.Username, wanted.verb, wanted.resource, wanted.namespace)
	}
	return nil
}

func (v *reviews) decide(ctx context.Context, user *authenticationv1.UserInfo, key decisionKey) (bool, error) {
	if known, ok := v.decisions.Get(key); ok {
		return known.(bool), nil
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
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
		return false, asClusterProblem(fmt.Errorf("review what %s may do: %w", user.Username, err))
	}
	v.decisions.Add(key, review.Status.Allowed, lifetime(review.Status.Allowed))
	return review.Status.Allowed, nil
}

func lifetime(yes bool) time.Duration {
	if yes {
		return believedFor
	}
	return deniedFor
}
