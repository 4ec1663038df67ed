package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

const (
	defaultPage = 50
	maxPage     = 500
)

// jobList is a page of jobs as clients see it.
type jobList struct {
	Jobs []*jobView `json:"jobs"`
	// Continue is for the next page; none: this is the last.
	Continue string `json:"continue,omitempty" doc:"for the next page; none came with the last"`
}

// listJobs lists the jobs of a namespace, newest first. A page begins behind the job that the client saw last, wherever
// that now is: jobs that come or go meanwhile neither repeat nor hide others, and any replica can go on.
func (g *Gateway) listJobs(w http.ResponseWriter, r *http.Request) error {
	if !g.ListJobs && g.reviews == nil {
		return fail(http.StatusForbidden, reasonListingOff,
			"jobs are not listed here: whoever knows a job's id may read it, so ids are not given away; keep those of your "+
				"uploads, or see the gateway's flag --list-jobs")
	}
	if !g.ready.synced() {
		return notSynced()
	}
	q, err := parseListQuery(r.URL.Query())
	if err != nil {
		return err
	}
	jobs, last, more := g.index.page(callerOf(r.Context()).namespace, q.behind, q.limit, q.fits)
	answer := &jobList{Jobs: make([]*jobView, 0, len(jobs))}
	if more {
		answer.Continue = continueAfter(last)
	}
	hash := sha256.New()
	for _, job := range jobs {
		hash.Write([]byte(etagOf(job)))
	}
	hash.Write([]byte(answer.Continue))
	etag := `"` + hex.EncodeToString(hash.Sum(nil)[:16]) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "no-cache")
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	for _, job := range jobs {
		answer.Jobs = append(answer.Jobs, g.describe(job))
	}
	writeJSON(w, http.StatusOK, "application/json", answer)
	return nil
}

// listQuery is what a client wants to see.
type listQuery struct {
	limit     int
	behind    *v1alpha1.ProcessingJob // only its name and time are set
	phase     v1alpha1.Phase
	processor string
	name      string // part of the input's name, lower case
}

func (q *listQuery) fits(job *v1alpha1.ProcessingJob) bool {
	return (q.phase == "" || phaseOf(job) == q.phase) &&
		(q.processor == "" || job.Spec.Processor == q.processor) &&
		(q.name == "" || strings.Contains(strings.ToLower(inputName(job)), q.name))
}

var phases = []v1alpha1.Phase{
	v1alpha1.PhasePending, v1alpha1.PhaseRunning, v1alpha1.PhaseCompleted, v1alpha1.PhaseError, v1alpha1.PhaseTimeout,
}

func parseListQuery(values url.Values) (*listQuery, error) {
	q := &listQuery{
		limit:     defaultPage,
		phase:     v1alpha1.Phase(values.Get("status")),
		processor: values.Get("processor"),
		name:      strings.ToLower(values.Get("name")),
	}
	bad := func(format string, args ...any) error {
		return fail(http.StatusBadRequest, reasonBadField, format, args...)
	}
	for name := range values {
		if !slices.Contains([]string{"limit", "continue", "status", "processor", "name", namespaceField}, name) {
			return nil, bad("there is no parameter %q; there are limit, continue, status, processor and name", name)
		}
	}
	if q.phase != "" && !slices.Contains(phases, q.phase) {
		return nil, bad("status is %q; it must be one of %v", q.phase, phases)
	}
	if text := values.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxPage {
			return nil, bad("limit is %q; it must be a whole number from 1 to %d", text, maxPage)
		}
		q.limit = limit
	}
	if token := values.Get("continue"); token != "" {
		if q.behind = continued(token); q.behind == nil {
			return nil, bad("continue is %q; it must be as the page before gave it", token)
		}
	}
	return q, nil
}

// continueAfter says where a page ended.
func continueAfter(job *v1alpha1.ProcessingJob) string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(strconv.FormatInt(job.CreationTimestamp.Unix(), 10) + "/" + job.Name))
}

// continued reads what continueAfter wrote; nil is something else.
func continued(token string) *v1alpha1.ProcessingJob {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil
	}
	created, name, _ := strings.Cut(string(text), "/")
	seconds, err := strconv.ParseInt(created, 10, 64)
	if err != nil || name == "" {
		return nil
	}
	return &v1alpha1.ProcessingJob{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(seconds, 0)},
	}
}

// phaseOf is a job's phase, also of one that was written before the CRD had a default for it.
func phaseOf(job *v1alpha1.ProcessingJob) v1alpha1.Phase {
	if job.Status.Phase == "" {
		return v1alpha1.PhasePending
	}
	return job.Status.Phase
}

// inputName is the name of a job's input file, where it is known before a pod has fetched it.
func inputName(job *v1alpha1.ProcessingJob) string {
	switch {
	case job.Status.Input != nil:
		return string(job.Status.Input.Name)
	case job.Spec.Input.Upload != nil:
		return string(job.Spec.Input.Upload.Name)
	}
	return ""
}

func notSynced() *problem {
	return fail(http.StatusServiceUnavailable, reasonCluster,
		"the jobs have not been read from the Kubernetes API yet").after(time.Second)
}
