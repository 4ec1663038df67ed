package gateway

import (
	"errors"
	"net/http"

	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
)

// input hands out what was uploaded for a job, so that a result can be compared with what it was made of.
func (g *Gateway) input(w http.ResponseWriter, r *http.Request) error {
	job, err := g.job(r.Context(), requested(r))
	if err != nil {
		return err
	}
	return g.sendInput(w, r, job, g.mayRedirect(r))
}

// sendInput sends the uploaded file of a job.
func (g *Gateway) sendInput(w http.ResponseWriter, r *http.Request, job *v1alpha1.ProcessingJob, redirect bool) error {
	upload := job.Spec.Input.Upload
	if upload == nil {
		return fail(http.StatusGone, reasonFileMissing, "the input of job %s is no upload", job.Name)
	}
	file := &storage.File{Name: string(upload.Name), Size: ptr.Deref(upload.Size, 0), SHA256: string(upload.SHA256)}
	err := g.send(w, r, storage.InputKey(job.Namespace, job.Name, file.Name), file, redirect)
	if errors.Is(err, storage.ErrNotFound) {
		return fail(http.StatusGone, reasonFileMissing,
			"the uploaded file %q of job %s is not in the storage; upload it again", upload.Name, job.Name).because(err)
	}
	return err
}

// mayRedirect tells whether a client may be sent to the bucket. A page that reads the file itself says ?redirect=false:
// its browser lets it read from its own origin only.
func (g *Gateway) mayRedirect(r *http.Request) bool {
	return g.RedirectDownloads && r.URL.Query().Get("redirect") != "false"
}
