package gateway

import (
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/internal/tracing"
)

// cancel deletes a job. Its pod goes with it, its files with the next sweep.
func (g *Gateway) cancel(w http.ResponseWriter, r *http.Request) error {
	job, err := g.job(r.Context(), requested(r))
	if err != nil {
		return err
	}
	// The UID keeps a job that was made again under the name from being deleted for the one that was meant.
	err = g.live.Delete(r.Context(), job, client.Preconditions{UID: ptr.To(job.UID)})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return asClusterProblem(err)
	}
	tracing.Log(r.Context(), job).Info("deleted a job on request")
	w.WriteHeader(http.StatusNoContent)
	return nil
}
