package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// caller is whose jobs a request is about, and who sends it.
type caller struct {
	namespace string
	user      string                      // "" where nobody asks
	check     func(context.Context) error // asks again whether the caller may; nil where nobody asks
}

type callerKey struct{}

// callerOf returns the caller that allowed has found. It is for the handlers behind allowed only.
func callerOf(ctx context.Context) caller {
	return ctx.Value(callerKey{}).(caller)
}

// stillAllowed is for a request that lasts: it says whether the caller may go on. While nobody can tell, it may.
func stillAllowed(ctx context.Context) error {
	check := callerOf(ctx).check
	if check == nil {
		return nil
	}
	err := check(ctx)
	var p *problem
	if errors.As(err, &p) && p.Status < 500 && ctx.Err() == nil {
		return p
	}
	return nil // nobody can tell now
}

// allowed makes a handler one that only runs for a caller who may do that with ProcessingJobs: create, get, list or
// delete.
func (g *Gateway) allowed(verb string, next handler) handler {
	return g.allowedOn("processingjobs", verb, next)
}

func (g *Gateway) allowedOn(resource, verb string, next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := g.findCaller(w, r, resource, verb)
		if err != nil {
			return err
		}
		who := found.user
		if g.reviews == nil {
			who = g.clients.address(r)
		}
		leave, err := g.clients.enter(w.Header(), who)
		if err != nil {
			return err
		}
		defer leave()
		return next(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, found)))
	}
}

// namespaceField names the namespace in a request's address; without it, it is the gateway's own.
const namespaceField = "namespace"

func (g *Gateway) findCaller(w http.ResponseWriter, r *http.Request, resource, verb string) (caller, error) {
	c := caller{namespace: r.URL.Query().Get(namespaceField)}
	if c.namespace == "" {
		c.namespace = g.Namespace
	}
	if g.reviews == nil {
		return c, g.serves(c.namespace)
	}
	if len(validation.IsDNS1123Label(c.namespace)) > 0 { // what is asked for is remembered: not just any text
		return c, notServed(c.namespace)
	}
	token := bearerToken(r)
	if !g.reviews.knows(token, verb) { // a question to the Kubernetes API, which anybody could have asked
		leave, err := g.clients.enter(w.Header(), g.clients.address(r))
		if err != nil {
			return c, err
		}
		defer leave()
	}
	user, err := g.reviews.authenticate(r.Context(), token, verb)
	if err != nil {
		if asProblem(err).Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", challenge(token))
		}
		return c, err
	}
	c.user = user.Username
	id := r.PathValue("job_id")
	if id != "" && len(validation.IsDNS1123Subdomain(id)) > 0 {
		return c, noSuchJob(id)
	}
	wanted := access{namespace: c.namespace, resource: resource, verb: verb, name: id}
	c.check = func(ctx context.Context) error {
		user, err := g.reviews.authenticate(ctx, token, verb)
		if err != nil {
			return err
		}
		return g.reviews.authorize(ctx, token, user, wanted)
	}
	if err := g.reviews.authorize(r.Context(), token, user, wanted); err != nil {
		return c, err
	}
	return c, g.serves(c.namespace) // last: who may not ask learns nothing about what there is
}

// serves says whether the jobs of a namespace are served here.
func (g *Gateway) serves(namespace string) error {
	if namespace == g.Namespace || g.AllNamespaces && len(validation.IsDNS1123Label(namespace)) == 0 {
		return nil
	}
	return notServed(namespace)
}

func notServed(namespace string) *problem {
	return fail(http.StatusNotFound, reasonNamespace, "the namespace %q is not served here", namespace)
}

func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// challenge is the WWW-Authenticate of RFC 6750: an error is named only to who has sent a token.
func challenge(token string) string {
	if token == "" {
		return `Bearer realm="bricklayers"`
	}
	return `Bearer realm="bricklayers", error="invalid_token"`
}

// requested is the job that a request's address names.
func requested(r *http.Request) types.NamespacedName {
	return types.NamespacedName{Namespace: callerOf(r.Context()).namespace, Name: r.PathValue("job_id")}
}
