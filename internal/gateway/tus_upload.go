package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// tusStore keeps resumable uploads in the bucket, as storage.Resumable says.
type tusStore struct{ g *Gateway }

// resumable is a resumable upload, in one request.
type resumable struct {
	g         *Gateway
	request   *tusRequest
	namespace string
	id        string
	facts     *storage.Resumable
	*storage.Progress
}

// NewUpload implements tusd.DataStore.
func (s tusStore) NewUpload(ctx context.Context, info tusd.FileInfo) (tusd.Upload, error) {
	request := tusRequestOf(ctx)
	facts, err := s.g.describeResumable(ctx, request.request.Header, info.Size)
	if err != nil {
		s.g.countUpload(ctx, 0, err)
		return nil, request.fail(err)
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, request.fail(err)
	}
	facts.Expires = time.Now().Add(s.g.ResumableLifetime)
	facts.Traceparent = tracing.Format(tracing.RequestOf(ctx).SpanContext())
	r := &resumable{
		g: s.g, request: request, namespace: callerOf(ctx).namespace, id: hex.EncodeToString(id[:]), facts: facts,
		Progress: &storage.Progress{},
	}
	if err := s.g.store.CreateResumable(context.WithoutCancel(ctx), callerOf(ctx).namespace, r.id, facts); err != nil {
		return nil, request.fail(storageProblem(err))
	}
	r.tellExpiry()
	return r, nil
}

// maxParts bounds what has to be listed to know how far an upload is.
const maxParts = 10_000

// GetUpload implements tusd.DataStore. It also finishes an upload whose last byte is here, but whose job could not be
// made at that time: the client comes back and asks how far it is.
func (s tusStore) GetUpload(ctx context.Context, id string) (tusd.Upload, error) {
	request := tusRequestOf(ctx)
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 {
		return nil, tusd.ErrNotFound
	}
	facts, err := s.g.store.Resumable(ctx, callerOf(ctx).namespace, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, tusd.ErrNotFound
	}
	if err != nil {
		return nil, request.fail(storageProblem(err))
	}
	tracing.RequestOf(ctx).Join(tracing.Parse(facts.Traceparent))
	if time.Now().After(facts.Expires) {
		return nil, request.fail(fail(http.StatusGone, reasonUploadExpired,
			"the upload was not finished by %s; begin another", facts.Expires.UTC().Format(time.RFC3339)))
	}
	r := &resumable{g: s.g, request: request, namespace: callerOf(ctx).namespace, id: id, facts: facts}
	if r.Progress, err = s.g.store.Progress(ctx, callerOf(ctx).namespace, id); err != nil {
		return nil, request.fail(storageProblem(err))
	}
	r.tellExpiry()
	switch {
	case r.Finished:
		r.tellJob()
	case r.Offset == facts.Size && !request.ends():
		if err := r.FinishUpload(ctx); err != nil {
			return nil, err
		}
	case len(r.Parts) >= s.g.maxParts && !request.ends():
		return nil, request.fail(fail(http.StatusBadRequest, reasonTooManyParts,
			"the upload came in more than %d pieces; begin another, with larger ones", s.g.maxParts))
	}
	return r, nil
}

// ends tells whether the client wants the upload gone.
func (t *tusRequest) ends() bool {
	method := t.request.Method
	return method == http.MethodDelete ||
		method == http.MethodPost && t.request.Header.Get("X-HTTP-Method-Override") == http.MethodDelete
}

func (r *resumable) tellExpiry() {
	r.request.Header().Set("Upload-Expires", r.facts.Expires.UTC().Format(http.TimeFormat))
}

func (r *resumable) tellJob() {
	r.request.Header().Set(uploadJobHeader, r.facts.JobID)
	job := &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: r.facts.JobID}}
	r.request.Header().Set("Content-Location", r.g.path("status", job, "", nil))
}

// GetInfo implements tusd.Upload.
func (r *resumable) GetInfo(context.Context) (tusd.FileInfo, error) {
	info := tusd.FileInfo{
		ID: r.id, Size: r.facts.Size, Offset: r.Offset, MetaData: tusd.MetaData{"filename": r.facts.FileName},
	}
	if r.Finished {
		info.Offset = r.facts.Size
	}
	return info, nil
}

// GetReader implements tusd.Upload. It is for a GET, which the protocol does not have.
func (r *resumable) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

// WriteChunk implements tusd.Upload. The body comes from tusd as one that ends, also where the client has gone: what
// is here by then is kept.
func (r *resumable) WriteChunk(ctx context.Context, offset int64, body io.Reader) (written int64, err error) {
	ctx = context.WithoutCancel(ctx)
	r.request.read(true)
	defer r.request.read(false)
	if offset == 0 {
		if err := r.beginChecks(ctx); err != nil {
			return 0, r.refuse(ctx, err)
		}
	}
	for offset+written < r.facts.Size {
		n, more, err := r.writePart(ctx, offset+written, body)
		if err != nil {
			return written, r.refuse(ctx, err)
		}
		written += n
		if !more {
			break
		}
	}
	return written, nil
}

// beginChecks has the file's first bytes looked at as they pass.
func (r *resumable) beginChecks(ctx context.Context) (err error) {
	r.request.checked, err = r.g.resumed(ctx, r.facts)
	if err == nil {
		r.request.checked.beginChecks()
	}
	return err
}

// writePart stores bytes until the body ends or a part is as large as it may be; then there may be more. With a
// checksum it is all of them or none.
func (r *resumable) writePart(ctx context.Context, offset int64, body io.Reader) (n int64, more bool, err error) {
	limit := r.g.store.MaxPart()
	if sum := r.request.checksum; sum != nil {
		limit, body = 0, io.TeeReader(body, sum)
	}
	if limit > 0 {
		body = io.LimitReader(body, limit)
	}
	writer, err := r.g.store.CreatePart(ctx, r.namespace, r.id, offset)
	if err != nil {
		return 0, false, storageProblem(err)
	}
	defer writer.Abort()
	if n, err = r.pass(body, writer); err != nil || n == 0 {
		return 0, false, err
	}
	if sum := r.request.checksum; sum != nil && !sum.matches() {
		if r.request.bodyErr != nil { // tusd makes a body that ends of one that broke off
			return 0, false, nil
		}
		return 0, false, fail(checksumMismatch, reasonChecksum, "the bytes that came do not have the checksum; send them again")
	}
	err = writer.Commit()
	if errors.Is(err, storage.ErrExists) {
		return 0, false, fail(http.StatusConflict, reasonMismatchedOffset,
			"another request has brought the bytes from %d on; ask how far the upload is", offset)
	}
	if err != nil {
		return 0, false, storageProblem(err)
	}
	r.Parts = append(r.Parts, storage.Part{Offset: offset, Size: n})
	r.Offset = offset + n
	return n, limit > 0 && n == limit, nil
}

// pass streams bytes to the sink, and by the checks when they began with the file.
func (r *resumable) pass(body io.Reader, sink io.Writer) (int64, error) {
	if u := r.request.checked; u != nil {
		before := u.size
		err := u.pass(body, sink)
		return u.size - before, err
	}
	n := int64(0)
	err := eachChunk(body, func(p []byte) error {
		n += int64(len(p))
		if _, err := sink.Write(p); err != nil {
			return storageProblem(err)
		}
		return nil
	})
	return n, err
}

// refuse keeps an error for the answer. A file that can never be right is dropped.
func (r *resumable) refuse(ctx context.Context, err error) error {
	if validationReason[asProblem(err).Reason] {
		r.g.countUpload(ctx, r.Offset, err)
		if err := r.g.store.DeleteResumable(ctx, r.namespace, r.id); err != nil && !errors.Is(err, storage.ErrNotFound) {
			log.FromContext(ctx).Error(err, "failed to delete an upload that was refused; the sweep will")
		}
	}
	return r.request.fail(err)
}

// FinishUpload implements tusd.Upload: it makes the job. The parts stay until that is certain.
func (r *resumable) FinishUpload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.g.UploadTimeout)
	defer cancel()
	job, err := r.makeJob(ctx)
	if err != nil && r.finishedByAnother(ctx) {
		r.Finished = true
		r.tellJob()
		return nil
	}
	if err != nil {
		if !validationReason[asProblem(err).Reason] {
			r.g.countUpload(ctx, r.facts.Size, err)
		}
		return r.refuse(ctx, err)
	}
	r.g.countUpload(ctx, r.facts.Size, nil)
	if err := r.g.store.FinishResumable(ctx, r.namespace, r.id, r.Parts); err != nil {
		// Whoever asks for the upload finds the job again, until both expire.
		tracing.Log(ctx, job).Error(err, "failed to note that an upload is finished")
	}
	r.Finished = true
	r.tellJob()
	return nil
}

// finishedByAnother tells whether another request has made the job meanwhile: one whose client was cut off goes on to the
// end, and drops the parts while the next one reads them.
func (r *resumable) finishedByAnother(ctx context.Context) bool {
	now, err := r.g.store.Progress(ctx, r.namespace, r.id)
	return err == nil && now.Finished
}

// makeJob checks the whole file, puts it where its job will look for it, and makes the job.
func (r *resumable) makeJob(ctx context.Context) (*v1alpha1.ProcessingJob, error) {
	u := r.request.checked
	if u == nil || len(r.Parts) != 1 || u.size != r.facts.Size || !r.adopt(u) {
		var err error
		if u, err = r.assemble(ctx); err != nil {
			return nil, err
		}
		defer u.close()
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	if err := u.claimSize(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	return u.finish(ctx)
}

// claimSize makes room for the job and all of its file, which was there when the upload began, but may not be any more. A
// job that an earlier request has made needs none.
func (u *upload) claimSize(ctx context.Context) (err error) {
	u.claim, err = u.gateway.quotas.newClaim(u.namespace)
	if err == nil {
		err = u.claim.grow(u.size)
	}
	if err == nil {
		return nil
	}
	job := &v1alpha1.ProcessingJob{}
	if getErr := u.gateway.live.Get(ctx, u.jobKey(), job); getErr == nil {
		u.existing = job
		return nil
	}
	return err
}

// adopt has the only part become the file, where the bucket can do that without copying.
func (r *resumable) adopt(u *upload) bool {
	if !r.g.store.CanAdopt() {
		return false
	}
	u.adopt = func(key string) error { return r.g.store.AdoptPart(r.namespace, r.id, key) }
	return true
}

// assemble sends the parts through the same checks as a file that comes in one request.
func (r *resumable) assemble(ctx context.Context) (*upload, error) {
	u, err := r.g.resumed(ctx, r.facts)
	if err != nil {
		return nil, err
	}
	parts := r.g.store.OpenParts(ctx, r.namespace, r.id, r.Parts)
	defer func() { _ = parts.Close() }() // it was only read
	if err := u.receive(storedReader{parts}); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// storedReader reads what is in the bucket: its errors are not the client's.
type storedReader struct{ io.Reader }

func (r storedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = storageProblem(err)
	}
	return n, err
}

// AsTerminatableUpload implements tusd.TerminaterDataStore.
func (s tusStore) AsTerminatableUpload(upload tusd.Upload) tusd.TerminatableUpload {
	return upload.(*resumable)
}

// Terminate implements tusd.TerminatableUpload. A job that was made stays.
func (r *resumable) Terminate(ctx context.Context) error {
	err := r.g.store.DeleteResumable(context.WithoutCancel(ctx), r.namespace, r.id)
	if errors.Is(err, storage.ErrNotFound) {
		return tusd.ErrNotFound
	}
	if err != nil {
		return r.request.fail(storageProblem(err))
	}
	return nil
}
