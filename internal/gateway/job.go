package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// Length of an Idempotency-Key in bytes. A job's id is made from the key, and whoever knows the id may read the job: a
// key that can be guessed would be a job that can be read.
const (
	minKey = 16
	maxKey = 255
)

// identify chooses the job's id: 128 random bits, or a hash of the client's Idempotency-Key, so that every replica finds
// the job of a request that is repeated.
func (u *upload) identify(key string) error {
	if key == "" {
		var id [16]byte
		if _, err := rand.Read(id[:]); err != nil {
			return err
		}
		u.jobID = hex.EncodeToString(id[:])
		return nil
	}
	if len(key) < minKey || len(key) > maxKey {
		return fail(http.StatusBadRequest, reasonBadKey,
			"the Idempotency-Key has %d characters; it must have from %d to %d and should be random, such as a UUID",
			len(key), minKey, maxKey)
	}
	sum := sha256.Sum256([]byte("idempotency-key\x00" + u.namespace + "\x00" + key))
	u.jobID = hex.EncodeToString(sum[:16])
	u.shared = true
	job := &v1alpha1.ProcessingJob{}
	err := u.gateway.live.Get(u.ctx, u.jobKey(), job)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return clusterProblem(err)
	}
	u.existing = job
	tracing.RequestOf(u.ctx).About(job)
	return nil
}

func (u *upload) jobKey() client.ObjectKey {
	return client.ObjectKey{Namespace: u.namespace, Name: u.jobID}
}

// finish makes the file durable, then the job.
func (u *upload) finish(ctx context.Context) (*v1alpha1.ProcessingJob, error) {
	if u.existing != nil {
		return u.replay(u.existing)
	}
	if u.link != "" {
		return u.create(ctx)
	}
	switch err := u.commit(); {
	case errors.Is(err, storage.ErrExists):
		if err := u.meet(ctx); err != nil {
			return nil, err
		}
		job, err := u.create(ctx)
		if err != nil {
			return nil, err
		}
		return job, u.stillThere(ctx, job)
	case err != nil:
		return nil, storageProblem(err)
	}
	return u.create(ctx)
}

// stillThere makes sure of a file that was there before: it may be so old that a sweep took it just before its job was
// made. Then the job goes, too, and the client tries again.
func (u *upload) stillThere(ctx context.Context, job *v1alpha1.ProcessingJob) error {
	_, _, err := u.gateway.store.Stat(ctx, u.inputKey())
	if !errors.Is(err, storage.ErrNotFound) {
		return nil // or not to be known now; the job's pod will see
	}
	deleteErr := u.gateway.live.Delete(ctx, job, client.Preconditions{UID: ptr.To(job.UID)})
	return storageProblem(errors.Join(err, client.IgnoreNotFound(deleteErr)))
}

// replay answers a repeated request with the job of the first one.
func (u *upload) replay(job *v1alpha1.ProcessingJob) (*v1alpha1.ProcessingJob, error) {
	if !u.sameInput(&job.Spec.Input) || job.Spec.Processor != u.processor.Name ||
		!maps.Equal(job.Spec.Parameters, u.parameters) {
		return nil, fail(http.StatusUnprocessableEntity, reasonKeyReused,
			"this Idempotency-Key belongs to another upload; use a new key for each")
	}
	return job, nil
}

// meet deals with a file that is there already under this Idempotency-Key: of a request that runs at the same time, or
// of one that ended before it had made its job. The same content will do; anything else is not touched, because a job
// may be about to name it. The sweep removes it when none does.
func (u *upload) meet(ctx context.Context) error {
	object, err := u.gateway.store.Open(ctx, u.inputKey())
	if err != nil {
		return storageProblem(err)
	}
	defer func() { _ = object.Close() }() // it was only read
	hash := sha256.New()
	if _, err := io.Copy(hash, object); err != nil {
		return storageProblem(err)
	}
	if hex.EncodeToString(hash.Sum(nil)) == u.sha256 {
		return nil
	}
	return fail(http.StatusConflict, reasonKeyInUse,
		"another upload with this Idempotency-Key but other content is under way or was interrupted; use a new key")
}

func (u *upload) inputKey() string {
	return storage.InputKey(u.namespace, u.jobID, u.fileName)
}

func (u *upload) create(ctx context.Context) (*v1alpha1.ProcessingJob, error) {
	job := &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: u.namespace, Name: u.jobID},
		Spec: v1alpha1.ProcessingJobSpec{
			Processor: u.processor.Name,
			Priority:  u.priority,
			Input:     u.input(),
		},
	}
	if u.webhook != "" {
		job.Spec.Webhook = &v1alpha1.Webhook{URL: u.webhook}
	}
	if len(u.parameters) > 0 {
		job.Spec.Parameters = u.parameters
	}
	if span := tracing.RequestOf(ctx); span != nil {
		job.Annotations = map[string]string{v1alpha1.AnnotationTraceparent: tracing.Format(span.SpanContext())}
		span.About(job)
	}
	err := u.gateway.live.Create(ctx, job)
	switch {
	case err == nil:
		tracing.Log(ctx, job).Info("created a job", "processor", job.Spec.Processor, "bytes", u.size)
		return job, nil
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		u.drop(ctx)
		return nil, fail(http.StatusUnprocessableEntity, reasonJobRefused,
			"the Kubernetes API refused the job: %v", err).because(err)
	default:
		return u.resolve(ctx, err)
	}
}

// resolve finds out what became of a job whose creation returned an error that does not say: a lost answer, or somebody
// else with the same Idempotency-Key. The file stays unless it is certain that no job names it. It has time of its own: what
// ended the creation may have been the end of the upload's.
func (u *upload) resolve(ctx context.Context, createErr error) (*v1alpha1.ProcessingJob, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveTimeout)
	defer cancel()
	job := &v1alpha1.ProcessingJob{}
	err := u.gateway.live.Get(ctx, u.jobKey(), job)
	switch {
	case err == nil:
		return u.replay(job)
	case apierrors.IsNotFound(err) && refused(createErr):
		u.drop(ctx)
	}
	if overQuota(createErr) {
		return nil, fail(http.StatusTooManyRequests, reasonQuota, "the namespace has as many jobs as its quota allows; "+
			"delete one, or wait until one expires").because(createErr).after(time.Minute)
	}
	return nil, clusterProblem(createErr)
}

const resolveTimeout = 5 * time.Second

// overQuota tells whether a ResourceQuota forbids the object. The API server says so in words only.
func overQuota(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota")
}

// refused tells whether the API server has answered that it will not create the object, so that it cannot appear later.
func refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsUnauthorized(err) ||
		apierrors.IsTooManyRequests(err)
}

// drop deletes the file of a job that will not be. It is left to the sweep if it cannot be deleted now, or if another
// request that has the job's id may be making the job of it at this moment.
func (u *upload) drop(ctx context.Context) {
	if u.shared {
		return
	}
	if err := u.gateway.store.Delete(ctx, u.inputKey()); err != nil && !errors.Is(err, storage.ErrNotFound) {
		log.FromContext(ctx).Error(err, "failed to delete the file of an upload without a job; the sweep will")
	}
}
