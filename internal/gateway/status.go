package gateway

import (
	"maps"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/gcode/validate"
	"bricklayers.dev/bricklayers/internal/queueapi"
)

// jobView is a job as clients see it.
type jobView struct {
	JobID      string            `json:"job_id"`
	Status     v1alpha1.Phase    `json:"status" doc:"Completed, Error and Timeout are final"`
	Reason     string            `json:"reason,omitempty" doc:"one word of a closed list"`
	Message    string            `json:"message,omitempty" doc:"the same in a sentence"`
	Processor  string            `json:"processor"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Priority   int32             `json:"priority"`
	Attempts   int32             `json:"attempts"`
	Queue      *queueapi.Waiting `json:"queue,omitempty" doc:"while it waits, in answers about this one job"`
	CreatedAt  time.Time         `json:"created_at"`
	StartedAt  *time.Time        `json:"started_at,omitempty"`
	FinishedAt *time.Time        `json:"finished_at,omitempty"`
	Input      *fileView         `json:"input,omitempty"`
	Output     []fileView        `json:"output,omitempty"`
	Webhook    *webhookView      `json:"webhook,omitempty"`
	Content    *validate.Result  `json:"content,omitempty" doc:"what the check found, in the answer to an upload"`
	Links      links             `json:"links"`
}

type fileView struct {
	Name     string `json:"name"`
	Size     int64  `json:"size" doc:"bytes"`
	SHA256   string `json:"sha256"`
	Download string `json:"download,omitempty" doc:"address of an output file"`
}

// webhookView is what became of a job's webhook: a reason of the condition Notified, or nothing yet.
type webhookView struct {
	URL     string `json:"url"`
	Outcome string `json:"outcome,omitempty" doc:"Delivered, NotAllowed or GivenUp; none yet while it is tried"`
	Message string `json:"message,omitempty"`
}

type links struct {
	Status   string `json:"status"`
	Events   string `json:"events"`
	Download string `json:"download"`
	Input    string `json:"input,omitempty"` // of an upload
}

// path is the address of a call about a job: "status", "download", and "/events" below one.
func (g *Gateway) path(call string, job *v1alpha1.ProcessingJob, below string, query url.Values) string {
	if job.Namespace != g.Namespace {
		query = maps.Clone(query)
		if query == nil {
			query = url.Values{}
		}
		query.Set(namespaceField, job.Namespace)
	}
	address := "/api/v1/" + call + "/" + url.PathEscape(job.Name) + below
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

// status tells what became of a job.
func (g *Gateway) status(w http.ResponseWriter, r *http.Request) error {
	wait, err := waitFor(r)
	if err != nil {
		return err
	}
	if wait > 0 {
		g.awaitNews(w, r, wait)
		if err := stillAllowed(r.Context()); err != nil {
			return err
		}
	}
	job, err := g.job(r.Context(), requested(r))
	if err != nil {
		return err
	}
	waiting := g.queue.waiting(r.Context(), job)
	etag := tagWith(etagOf(job), waiting)
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "no-cache")
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	view := g.describe(job)
	view.Queue = waiting
	writeJSON(w, http.StatusOK, "application/json", view)
	return nil
}

// etagOf names a version of a job: everything in an answer but its place in the queue comes from the object.
func etagOf(job *v1alpha1.ProcessingJob) string {
	return `"` + string(job.UID) + "-" + job.ResourceVersion + `"`
}

func (g *Gateway) describe(job *v1alpha1.ProcessingJob) *jobView {
	s := &job.Status
	view := &jobView{
		JobID:      job.Name,
		Status:     phaseOf(job),
		Reason:     s.Reason,
		Message:    s.Message,
		Processor:  job.Spec.Processor,
		Parameters: job.Spec.Parameters,
		Priority:   ptr.Deref(job.Spec.Priority, 0),
		Attempts:   s.Attempts,
		CreatedAt:  job.CreationTimestamp.UTC(),
		StartedAt:  utc(s.StartTime),
		FinishedAt: utc(s.CompletionTime),
		Links: links{
			Status:   g.path("status", job, "", nil),
			Events:   g.path("status", job, "/events", nil),
			Download: g.path("download", job, "", nil),
		},
	}
	switch {
	case s.Input != nil:
		view.Input = &fileView{Name: string(s.Input.Name), Size: ptr.Deref(s.Input.Size, 0), SHA256: string(s.Input.SHA256)}
	case job.Spec.Input.Upload != nil:
		in := job.Spec.Input.Upload
		view.Input = &fileView{Name: string(in.Name), Size: ptr.Deref(in.Size, 0), SHA256: string(in.SHA256)}
	}
	if job.Spec.Input.Upload != nil {
		view.Links.Input = g.path("input", job, "", nil)
	}
	if hook := job.Spec.Webhook; hook != nil {
		view.Webhook = &webhookView{URL: hook.URL}
		if notified := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionNotified); notified != nil {
			view.Webhook.Outcome, view.Webhook.Message = notified.Reason, notified.Message
		}
	}
	if s.Output != nil {
		for _, f := range s.Output.Files {
			view.Output = append(view.Output, fileView{
				Name: string(f.Name), Size: ptr.Deref(f.Size, 0), SHA256: string(f.SHA256),
				Download: g.path("download", job, "", url.Values{"file": {string(f.Name)}}),
			})
		}
	}
	return view
}

func utc(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	return ptr.To(t.UTC())
}
