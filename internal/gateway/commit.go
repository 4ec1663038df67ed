package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	applyv1alpha1 "bricklayers.dev/bricklayers/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/filename"
	"bricklayers.dev/bricklayers/internal/podapi"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// fieldOwner is the gateway's in server-side apply: it owns status.input and status.output, nothing else.
const fieldOwner = client.FieldOwner("bricklayers-gateway")

// checkCommit checks what a pod says against the bucket.
func (g *Gateway) checkCommit(ctx context.Context, pod *podJob, commit *podapi.Commit) error {
	bad := func(format string, args ...any) error {
		return fail(http.StatusBadRequest, reasonBadCommit, format, args...)
	}
	if len(commit.Files) == 0 || len(commit.Files) > podapi.MaxFiles {
		return bad("a result has from 1 to %d files; this one has %d", podapi.MaxFiles, len(commit.Files))
	}
	if err := checkFile(commit.Input); err != nil {
		return bad("input: %v", err)
	}
	seen := map[string]bool{}
	for _, file := range commit.Files {
		if err := checkFile(file); err != nil {
			return bad("output: %v", err)
		}
		if seen[file.Name] {
			return bad("output %q is there twice", file.Name)
		}
		seen[file.Name] = true
		key := storage.OutputKey(pod.Namespace, pod.JobUID, pod.PodUID, file.Name)
		stored, err := g.store.Verify(ctx, key, file.Size, file.SHA256)
		if errors.Is(err, storage.ErrNotFound) || err == nil && !stored {
			return fail(http.StatusConflict, reasonOutputMissing,
				"output %q is not in the storage as it should be; store it again", file.Name)
		}
		if err != nil {
			return storageProblem(err)
		}
	}
	return nil
}

func checkFile(file podapi.File) error {
	if err := filename.Check(file.Name); err != nil {
		return fmt.Errorf("the name %w", err)
	}
	if digest, err := hex.DecodeString(file.SHA256); err != nil || len(digest) != 32 {
		return fmt.Errorf("%q has no SHA-256", file.Name)
	}
	if file.Size < 0 {
		return fmt.Errorf("%q has the size %d", file.Name, file.Size)
	}
	return nil
}

// commitResult returns the manifest that stands: this pod's, unless another was first. A job that ended without a result
// gets none.
func (g *Gateway) commitResult(ctx context.Context, pod *podJob, commit *podapi.Commit) (*storage.Manifest, error) {
	standing, err := g.store.Result(ctx, pod.Namespace, pod.JobUID)
	if err == nil {
		return standing, nil
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return nil, storageProblem(err)
	}
	job, err := g.podsJob(ctx, pod)
	if err != nil {
		return nil, err
	}
	if job.Status.Phase.Finished() {
		return nil, jobFinished(job)
	}
	manifest := &storage.Manifest{PodUID: pod.PodUID, Input: storage.File(commit.Input)}
	for _, file := range commit.Files {
		manifest.Files = append(manifest.Files, storage.File(file))
	}
	standing, err = g.store.CommitResult(ctx, pod.Namespace, pod.JobUID, manifest)
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return nil, storageProblem(err)
	}
	return standing, nil
}

// takesOutputs says why a pod's job takes no outputs any more, or nil. The files of a result are among a pod's outputs: a
// token that got out could change them.
func (g *Gateway) takesOutputs(ctx context.Context, pod *podJob) error {
	manifest, err := g.store.Result(ctx, pod.Namespace, pod.JobUID)
	if err == nil {
		if err := g.recordResult(ctx, pod, manifest); err != nil { // whoever committed it may not have come to that
			return err
		}
		return alreadyCommitted()
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return storageProblem(err)
	}
	job, err := g.podsJob(ctx, pod)
	if err != nil {
		return err
	}
	if job.Status.Phase.Finished() {
		return jobFinished(job)
	}
	return nil
}

func alreadyCommitted() *problem {
	return fail(http.StatusConflict, podapi.ReasonAlreadyCommitted, "the job has its result already, which stands")
}

// recordTries bounds how often a status write is repeated that somebody else's came before.
const recordTries = 5

// recordResult writes the manifest to the job's status, if it is not there, at the version of the job it has just read:
// a job that the manager finishes at the same moment stays as it is.
func (g *Gateway) recordResult(ctx context.Context, pod *podJob, manifest *storage.Manifest) error {
	for try := 1; ; try++ {
		job, err := g.podsJob(ctx, pod)
		if err != nil {
			return err
		}
		if job.Status.Output != nil {
			return nil
		}
		if job.Status.Phase.Finished() {
			return jobFinished(job)
		}
		err = g.live.Status().Apply(ctx, resultOf(job, manifest), fieldOwner, client.ForceOwnership)
		switch {
		case err == nil:
			tracing.Log(ctx, job).Info("committed a result", "namespace", job.Namespace, "files", len(manifest.Files))
			return nil
		case !apierrors.IsConflict(err) || try == recordTries:
			return asClusterProblem(fmt.Errorf("write the result to the status of %s/%s: %w", job.Namespace, job.Name, err))
		}
	}
}

func resultOf(job *v1alpha1.ProcessingJob, manifest *storage.Manifest) *applyv1alpha1.ProcessingJobApplyConfiguration {
	file := func(f storage.File) *applyv1alpha1.FileApplyConfiguration {
		return applyv1alpha1.File().WithName(v1alpha1.FileName(f.Name)).WithSize(f.Size).WithSHA256(v1alpha1.Digest(f.SHA256))
	}
	output := applyv1alpha1.Output()
	for _, f := range manifest.Files {
		output.WithFiles(file(f))
	}
	return applyv1alpha1.ProcessingJob(job.Name, job.Namespace).
		WithUID(job.UID).WithResourceVersion(job.ResourceVersion).
		WithStatus(applyv1alpha1.ProcessingJobStatus().WithInput(file(manifest.Input)).WithOutput(output))
}

// podsJob reads the job that a pod was made for.
func (g *Gateway) podsJob(ctx context.Context, pod *podJob) (*v1alpha1.ProcessingJob, error) {
	job := &v1alpha1.ProcessingJob{}
	if err := g.live.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: pod.JobName}, job); err != nil {
		return nil, missingOr(err, "the ProcessingJob %s/%s does not exist", pod.Namespace, pod.JobName)
	}
	if string(job.UID) != pod.JobUID {
		return nil, notOurs("the ProcessingJob %s/%s is not the one that the pod was made for", pod.Namespace, pod.JobName)
	}
	tracing.RequestOf(ctx).About(job)
	return job, nil
}

func jobFinished(job *v1alpha1.ProcessingJob) *problem {
	return fail(http.StatusConflict, podapi.ReasonJobFinished,
		"the job is %s already; it takes no result any more", job.Status.Phase)
}
