package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/gcode/validate"
	"bricklayers.dev/bricklayers/internal/metrics"
	"bricklayers.dev/bricklayers/internal/parameters"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/tracing"
)

// upload takes a file: it streams it into the bucket, checks what can be checked as soon as it can, then makes the
// ProcessingJob, and only then answers 201.
func (g *Gateway) upload(w http.ResponseWriter, r *http.Request) error {
	u := &upload{gateway: g, ctx: r.Context(), namespace: callerOf(r.Context()).namespace, parameters: map[string]string{}}
	defer u.close()
	job, err := u.run(w, r)
	endBody(w, r)
	if u.link == "" { // of which no byte comes here
		g.countUpload(r.Context(), u.size, err)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", g.path("status", job, "", nil))
	view := g.describe(job)
	view.Content = u.findings
	writeJSON(w, http.StatusCreated, "application/json", view)
	return nil
}

// countUpload raises the upload metrics by what became of one.
func (g *Gateway) countUpload(ctx context.Context, size int64, err error) {
	if err == nil {
		g.metrics.Uploaded(size, g.Tracer.Example(tracing.RequestOf(ctx).SpanContext()))
		return
	}
	p := asProblem(err)
	if !validationReason[p.Reason] {
		g.metrics.Uploads.WithLabelValues(metrics.UploadFailedError).Inc()
		return
	}
	g.metrics.UploadValidation.WithLabelValues(p.Reason).Inc()
	if p.Reason == reasonFileTooLarge {
		g.metrics.Uploads.WithLabelValues(metrics.UploadFailedSize).Inc()
	} else {
		g.metrics.Uploads.WithLabelValues(metrics.UploadFailedValidation).Inc()
	}
}

// upload is one upload under way. Nothing of its file is visible in the bucket before commit.
type upload struct {
	gateway   *Gateway
	ctx       context.Context
	namespace string // of the job

	// What the client says. Fields may come before and after the file.
	processorName string
	parameters    map[string]string
	priority      *int32
	webhook       string
	fileName      string
	link          string // in place of a file

	processor *v1alpha1.Processor     // once it is known which
	jobID     string                  // the job's name
	shared    bool                    // other requests may have the same id: of one Idempotency-Key, or resumable upload
	existing  *v1alpha1.ProcessingJob // when this is a retry of an upload that made its job

	claim  *claim // of the namespace's quota
	writer *storage.Writer
	adopt  func(key string) error // makes bytes that are stored already the file, in place of the writer
	received
	findings *validate.Result // of the content check, for formats that are known
}

func (u *upload) run(w http.ResponseWriter, r *http.Request) (*v1alpha1.ProcessingJob, error) {
	if err := u.identify(r.Header.Get("Idempotency-Key")); err != nil {
		return nil, err
	}
	if u.existing == nil {
		var err error
		if u.claim, err = u.gateway.quotas.newClaim(u.namespace); err != nil {
			return nil, err
		}
	}
	body, stop := u.gateway.paced(w, r)
	defer stop()
	if err := u.read(r, body); err != nil {
		return nil, err
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	stop()
	// Whatever the client does from here on, the file is complete: see it through.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), finishTimeout)
	defer cancel()
	return u.finish(ctx)
}

// finishTimeout bounds what follows the last byte: the commit to the bucket and the job.
const finishTimeout = 30 * time.Second

// admit looks up the processor, as soon as its name is known or a default must do, and checks what is known by then.
func (u *upload) admit() error {
	if u.processor != nil {
		return nil
	}
	name := u.processorName
	if name == "" {
		name = u.gateway.DefaultProcessor
	}
	processor := &v1alpha1.Processor{}
	err := u.gateway.find(u.ctx, types.NamespacedName{Namespace: u.namespace, Name: name}, processor)
	if apierrors.IsNotFound(err) {
		return fail(http.StatusNotFound, reasonProcessorNotFound, "there is no processor %q", name)
	}
	if err != nil {
		return err
	}
	u.processor = processor
	if err := u.checkFile(); err != nil {
		return err
	}
	return asParameterProblem(parameters.Check(processor, u.parameters))
}

// checkFile checks what the processor accepts, once both are known.
func (u *upload) checkFile() error {
	if u.processor == nil || u.fileName == "" {
		return nil
	}
	if limit := u.gateway.sizeLimit(u.processor); u.size > limit {
		return tooLarge(limit)
	}
	formats := u.processor.Spec.Accepts.Formats
	if len(formats) == 0 {
		return nil
	}
	for _, format := range formats {
		if strings.HasSuffix(strings.ToLower(u.fileName), "."+format) {
			return nil
		}
	}
	return fail(http.StatusUnsupportedMediaType, reasonInvalidExtension,
		"processor %q takes files that end in .%s; this one is called %q",
		u.processor.Name, strings.Join(formats, ", ."), u.fileName)
}

// check is everything that can be said against the upload once all of it is here.
func (u *upload) check() error {
	if u.link != "" {
		return u.checkLink()
	}
	if u.fileName == "" {
		return fail(http.StatusBadRequest, reasonNoFile,
			"there is no file: send multipart/form-data with a field named file, "+
				"or the file itself as the body and its name as ?name=part.gcode, or a link to it as ?url=https://...")
	}
	if err := u.admit(); err != nil {
		return err
	}
	if err := u.checkFile(); err != nil {
		return err
	}
	if _, err := parameters.Resolve(u.processor, u.parameters); err != nil {
		return asParameterProblem(err)
	}
	if u.size == 0 {
		return fail(http.StatusBadRequest, reasonEmpty, "the file %q is empty", u.fileName)
	}
	if u.content == nil {
		return nil
	}
	var err error
	u.findings, err = u.content.verdict(u.processor, u.parameters)
	return err
}

func asParameterProblem(err error) error {
	var invalid *parameters.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	p := fail(http.StatusBadRequest, reasonInvalidParameters, "%v", invalid)
	p.Errors = invalid.Problems
	return p
}

func tooLarge(limit int64) *problem {
	return fail(http.StatusRequestEntityTooLarge, reasonFileTooLarge,
		"the file is larger than the %d bytes allowed", limit)
}

// commit puts the file where its job will look for it.
func (u *upload) commit() error {
	if u.adopt != nil {
		return u.adopt(u.inputKey())
	}
	return u.writer.Commit()
}

// close drops what was not committed.
func (u *upload) close() {
	if u.writer != nil {
		u.writer.Abort()
	}
	u.claim.release()
	if u.content != nil {
		u.content.close()
	}
}
