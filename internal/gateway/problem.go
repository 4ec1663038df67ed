package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"bricklayers.dev/bricklayers/internal/parameters"
	"bricklayers.dev/bricklayers/internal/podapi"
	"bricklayers.dev/bricklayers/internal/storage"
)

// Reasons of problems, a closed list: clients and dashboards act on them, so a word is never given another meaning. The
// reasons for which a file's content is refused come from the content check beside these.
const (
	reasonNoFile            = "no_file"
	reasonBadForm           = "bad_form"
	reasonBadField          = "bad_field"
	reasonBadName           = "bad_name"
	reasonProcessorNotFound = "processor_not_found"
	reasonInvalidParameters = "invalid_parameters"
	reasonEmpty             = "empty"
	reasonFileTooLarge      = "file_too_large"
	reasonInvalidExtension  = "invalid_extension"
	reasonInvalidFormat     = "invalid_format"
	reasonJobRefused        = "job_refused"
	reasonBadKey            = "bad_idempotency_key"
	reasonKeyReused         = "idempotency_key_reused"
	reasonKeyInUse          = "idempotency_key_in_use"
	reasonInterrupted       = "upload_interrupted"
	reasonTooSlow           = "upload_too_slow"
	reasonUploadExpired     = "upload_expired"
	reasonChecksum          = "checksum_mismatch"
	reasonUploadNotFound    = "upload_not_found"
	reasonMismatchedOffset  = "mismatched_offset"
	reasonTusVersion        = "unsupported_version"
	reasonTusType           = "invalid_content_type"
	reasonTusOffset         = "invalid_offset"
	reasonTusLength         = "invalid_upload_length"
	reasonTusExceeded       = "upload_size_exceeded"
	reasonTooManyParts      = "upload_too_many_parts"
	reasonSuperseded        = "upload_superseded"
	reasonDraining          = "shutting_down"
	reasonJobNotFound       = "job_not_found"
	reasonNotReady          = "not_ready"
	reasonJobFailed         = "job_failed"
	reasonChooseFile        = "choose_file"
	reasonNoSuchFile        = "no_such_file"
	reasonFileMissing       = "file_missing"
	reasonWebhook           = "webhook_not_allowed"
	reasonLinks             = "url_not_allowed"
	reasonBadDigest         = "bad_digest"
	reasonDigestMismatch    = "digest_mismatch"
	reasonListingOff        = "listing_disabled"
	reasonQuota             = "quota_exceeded"
	reasonUnauthenticated   = "unauthenticated"
	reasonForbidden         = "forbidden"
	reasonNamespace         = "namespace_not_served"
	reasonNotFound          = "not_found"
	reasonMethodNotAllowed  = "method_not_allowed"
	reasonCrossOrigin       = "cross_origin"
	reasonTooManyRequests   = "too_many_requests"
	reasonTooManyUploads    = "too_many_uploads"
	reasonTooManyArchives   = "too_many_archives"
	reasonStorageFull       = "storage_full"
	reasonStorage           = "storage_unavailable"
	reasonCluster           = "cluster_unavailable"
	reasonInternal          = "internal"
	reasonClientLeft        = "client_closed_request"

	// Of the pod port.
	reasonNotAPod       = "not_a_job_pod"
	reasonBadCommit     = "bad_commit"
	reasonOutputTooBig  = "output_too_large"
	reasonOutputMissing = "output_missing"
)

// uploadReasons are the reasons of upload_validation_failures_total that are not the content check's.
var uploadReasons = []string{
	reasonNoFile, reasonBadForm, reasonBadField, reasonBadName, reasonProcessorNotFound, reasonInvalidParameters,
	reasonEmpty, reasonFileTooLarge, reasonInvalidExtension, reasonInvalidFormat, reasonJobRefused,
	reasonBadKey, reasonKeyReused, reasonBadDigest, reasonDigestMismatch,
	reasonWebhook,
}

// problem is an answer that is an error (RFC 9457).
type problem struct {
	podapi.Problem
	// Errors says which parameters are wrong.
	Errors []parameters.Problem `json:"errors,omitempty"`

	retryAfter time.Duration
	cause      error // for the log; clients do not see it
}

func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %v", p.Reason, p.cause)
	}
	return fmt.Sprintf("%s: %s", p.Reason, p.Detail)
}

func (p *problem) Unwrap() error { return p.cause }

// fail makes a problem whose detail says what is wrong and what to do.
func fail(status int, reason, format string, args ...any) *problem {
	return &problem{Problem: podapi.Problem{
		Title: http.StatusText(status), Status: status, Reason: reason, Detail: fmt.Sprintf(format, args...),
	}}
}

// because keeps the cause for the log.
func (p *problem) because(err error) *problem {
	p.cause = err
	return p
}

func (p *problem) after(d time.Duration) *problem {
	p.retryAfter = d
	return p
}

// storageProblem turns an error of the bucket into an answer.
func storageProblem(err error) *problem {
	if errors.Is(err, storage.ErrFull) {
		return fail(http.StatusInsufficientStorage, reasonStorageFull,
			"the storage is full; nothing of the file was kept, try again when there is room").because(err).after(time.Minute)
	}
	if errors.Is(err, storage.ErrBusy) {
		return fail(http.StatusServiceUnavailable, reasonTooManyUploads, "too many uploads are under way; try again").
			because(err).after(10 * time.Second)
	}
	return fail(http.StatusServiceUnavailable, reasonStorage,
		"the storage does not answer as it should; try again").because(err).after(5 * time.Second)
}

// clusterProblem turns an error of the Kubernetes API into an answer.
func clusterProblem(err error) *problem {
	return fail(http.StatusServiceUnavailable, reasonCluster,
		"the Kubernetes API does not answer as it should; try again").because(err).after(5 * time.Second)
}

// asProblem makes an answer of any error.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return fail(http.StatusInternalServerError, reasonInternal, "the gateway failed; its log says why").because(err)
}

// statusClientLeft is nginx's word for it.
const statusClientLeft = 499

// clientLeft is for the log and the metrics: what a client has broken off by leaving is no failure of the gateway's.
func clientLeft(err error) *problem {
	p := fail(statusClientLeft, reasonClientLeft, "the client did not wait for the answer").because(err)
	p.Title = "Client Closed Request"
	return p
}

func (p *problem) write(w http.ResponseWriter) {
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.retryAfter.Seconds())))
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, p.Status, podapi.ProblemContentType, p)
}

// writeJSON answers with a JSON body. An error in writing means that the client has gone; there is nobody to tell.
func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	content, err := json.Marshal(body)
	if err != nil { // of our own types only: a mistake in this program
		status = http.StatusInternalServerError
		content = []byte(`{"title":"Internal Server Error","status":500,"reason":"internal"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(content, '\n'))
}
