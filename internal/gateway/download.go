package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// download hands a job's result out: its only file, the one that ?file= names, or all of them as a zip.
func (g *Gateway) download(w http.ResponseWriter, r *http.Request) error {
	rec := &recorder{ResponseWriter: w}
	err := g.sendResult(rec, r)
	if r.Method != http.MethodHead { // HEAD asks about a file without taking it
		g.countDownload(rec.status, err, cmp.Or(rec.broken(), r.Context().Err()))
	}
	return err
}

// delivered are the statuses of a download that worked.
var delivered = []int{http.StatusOK, http.StatusPartialContent, http.StatusTemporaryRedirect}

// countDownload raises the download metrics. What is the gateway's fault or only a question is in none of them.
func (g *Gateway) countDownload(status int, err, interrupted error) {
	switch reasonOf(err) {
	case "":
		if slices.Contains(delivered, status) && interrupted == nil {
			g.metrics.Downloads.WithLabelValues(metrics.DownloadSuccess).Inc()
		}
	case reasonJobNotFound, reasonNoSuchFile:
		g.metrics.Downloads.WithLabelValues(metrics.DownloadFailedNotFound).Inc()
	case reasonNotReady, reasonJobFailed:
		g.metrics.Downloads.WithLabelValues(metrics.DownloadFailedNotReady).Inc()
	case reasonFileMissing:
		g.metrics.Downloads.WithLabelValues(metrics.DownloadFailedFileMissing).Inc()
	}
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return asProblem(err).Reason
}

func (g *Gateway) sendResult(w http.ResponseWriter, r *http.Request) error {
	archive, err := wantsArchive(r)
	if err != nil {
		return err
	}
	job, err := g.job(r.Context(), requested(r))
	if err != nil {
		return err
	}
	tracing.RequestOf(r.Context()).About(job)
	if err := g.downloadable(job); err != nil {
		return err
	}
	manifest, err := g.store.Result(r.Context(), job.Namespace, string(job.UID))
	if errors.Is(err, storage.ErrNotFound) {
		return gone(job).because(err)
	}
	if err != nil {
		return storageProblem(err)
	}
	if archive {
		err = g.sendArchive(w, r, job, manifest)
	} else {
		err = g.sendChosen(w, r, job, manifest)
	}
	if errors.Is(err, storage.ErrNotFound) {
		return gone(job).because(err)
	}
	return err
}

// sendChosen sends the result's only file, or the one that ?file= names.
func (g *Gateway) sendChosen(w http.ResponseWriter, r *http.Request, job *v1alpha1.ProcessingJob, manifest *storage.Manifest) error {
	file, err := choose(job, manifest, r.URL.Query().Get("file"))
	if err != nil {
		return err
	}
	key := storage.OutputKey(job.Namespace, string(job.UID), manifest.PodUID, file.Name)
	return g.send(w, r, key, file, g.mayRedirect(r))
}

// send sends a stored file, or to where it can be had. It returns storage.ErrNotFound when the bucket does not hold it
// whole: half a print is worse than none.
func (g *Gateway) send(w http.ResponseWriter, r *http.Request, key string, file *storage.File, redirect bool) error {
	if redirect && mayLeave(r) {
		switch sent, err := g.redirect(w, r, key, file); {
		case err != nil:
			return err
		case sent:
			return nil
		}
	}
	object, err := g.store.Open(r.Context(), key)
	if err != nil {
		return missingOrStorage(err)
	}
	defer func() { _ = object.Close() }() // it was only read
	if object.Size != file.Size {
		return wrongSize(key, object.Size, file.Size)
	}
	rec := &recorder{ResponseWriter: w}
	serve(rec, r, object, file.Name, file.SHA256)
	if err := rec.broken(); err != nil && r.Method != http.MethodHead && !clientsFault(r, err) {
		return fmt.Errorf("send %s: %w", key, err)
	}
	return nil
}

// mayLeave tells whether the bucket can answer a request. A signed address is for one method, and what depends on the
// file's ETag is beyond the bucket, which has another.
func mayLeave(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("If-Match") == "" && r.Header.Get("If-Range") == ""
}

// redirect sends to an address of the bucket's, if it has such, unless the client has the file.
func (g *Gateway) redirect(w http.ResponseWriter, r *http.Request, key string, file *storage.File) (bool, error) {
	address, failure := g.store.SignedURL(r.Context(), key)
	if failure != nil { // the bucket may still be read
		log.FromContext(r.Context()).Error(failure, "cannot sign an address of the bucket's; sending the file from here")
	}
	if address == "" {
		return false, nil
	}
	size, _, err := g.store.Stat(r.Context(), key)
	if err != nil {
		return false, missingOrStorage(err)
	}
	if size != file.Size {
		return false, wrongSize(key, size, file.Size)
	}
	header := w.Header()
	header.Set("ETag", `"`+file.SHA256+`"`)
	if digest := digestField(file.SHA256); digest != "" {
		header.Set(reprDigest, digest)
	}
	if matches(r.Header.Get("If-None-Match"), `"`+file.SHA256+`"`) {
		header.Set("Cache-Control", "private, no-cache")
		w.WriteHeader(http.StatusNotModified)
		return true, nil
	}
	header.Set("Cache-Control", "no-store")
	http.Redirect(w, r, address, http.StatusTemporaryRedirect)
	return true, nil
}

func missingOrStorage(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return storageProblem(err)
}

func wrongSize(key string, got, want int64) error {
	return fmt.Errorf("%s has %d bytes instead of %d: %w", key, got, want, storage.ErrNotFound)
}

// serve sends a file with ranges and conditions. Its digest is its ETag: it says which content it is on every replica.
func serve(w http.ResponseWriter, r *http.Request, object *storage.Object, name, sha256 string) {
	header := w.Header()
	header.Set("ETag", `"`+sha256+`"`)
	announceDigest(w, r, sha256)
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Cache-Control", "private, no-cache")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	http.ServeContent(w, r, "", object.ModTime, object.ReadSeeker)
}

// downloadable says why a job has nothing to download, or nil.
func (g *Gateway) downloadable(job *v1alpha1.ProcessingJob) error {
	switch phase := job.Status.Phase; {
	case phase == v1alpha1.PhaseCompleted:
		return nil
	case phase.Finished():
		return fail(http.StatusConflict, reasonJobFailed,
			"the job ended without a result: %s", strings.Join([]string{job.Status.Reason, job.Status.Message}, ": "))
	default:
		return fail(http.StatusConflict, reasonNotReady, "the job is %s; ask %s when it is done", phase, g.path("status", job, "", nil))
	}
}

func choose(job *v1alpha1.ProcessingJob, manifest *storage.Manifest, name string) (*storage.File, error) {
	if name == "" && len(manifest.Files) == 1 {
		return &manifest.Files[0], nil
	}
	names := make([]string, len(manifest.Files))
	for i, f := range manifest.Files {
		names[i] = f.Name
	}
	if name == "" {
		return nil, fail(http.StatusConflict, reasonChooseFile,
			"the result has %d files; choose one with ?file=, or take all with ?archive=zip: %s", len(names), strings.Join(names, ", "))
	}
	if file := manifest.File(name); file != nil {
		return file, nil
	}
	return nil, fail(http.StatusNotFound, reasonNoSuchFile,
		"the result of job %s has no file %q; it has %s", job.Name, name, strings.Join(names, ", "))
}

func gone(job *v1alpha1.ProcessingJob) *problem {
	return fail(http.StatusGone, reasonFileMissing,
		"the result of job %s is not in the storage any more; upload the file again", job.Name)
}
