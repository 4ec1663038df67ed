package gateway

import (
	"context"
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// caller is whose jobs a request is about, and who sends it.
type caller struct {
	namespace string
}

type callerKey struct{}

// callerOf returns the caller that allowed has found. It is for the handlers behind allowed only.
func callerOf(ctx context.Context) caller {
	return ctx.Value(callerKey{}).(caller)
}

// allowed makes a handler one that only runs for a caller who may do that with ProcessingJobs: create, get, list or
// delete.
func (g *Gateway) allowed(verb string, next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := g.identifyCaller(r, verb)
		if err != nil {
			return err
		}
		return next(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, found)))
	}
}

// namespaceField names the namespace in a request's address; without it, it is the gateway's own.
const namespaceField = "namespace"

func (g *Gateway) identifyCaller(r *http.Request, _ string) (caller, error) {
	namespace := r.URL.Query().Get(namespaceField)
	if namespace == "" {
		namespace = g.Namespace
	}
	if namespace != g.Namespace {
		return caller{}, fail(http.StatusNotFound, reasonNamespace,
			"the namespace %q is not served here; this gateway serves %q", namespace, g.Namespace)
	}
	return caller{namespace: namespace}, nil
}

// jobName is how a job is found among all.
func jobName(job *v1alpha1.ProcessingJob) types.NamespacedName {
	return types.NamespacedName{Namespace: job.Namespace, Name: job.Name}
}

// requested is the job that a request's address names.
func requested(r *http.Request) types.NamespacedName {
	return types.NamespacedName{Namespace: callerOf(r.Context()).namespace, Name: r.PathValue("job_id")}
}
