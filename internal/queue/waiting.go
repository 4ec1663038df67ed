package queue

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// Reasons is the closed list of why a job waits.
var Reasons = []string{
	v1alpha1.ReasonQueued, v1alpha1.ReasonInstallationLimit, v1alpha1.ReasonProcessorLimit,
	v1alpha1.ReasonNamespaceLimit, v1alpha1.ReasonProcessorNotFound,
}

// Waiting is what there is to know of a job that waits.
type Waiting struct {
	Reason  string
	Message string
	// Position is how many jobs will start before this one, as things stand. −1 for a job that is not in the queue.
	Position int
	// Estimate is how long it may take until the job starts, by what jobs of its Processor took lately.
	Estimate time.Duration
	// Known is false while no job of the Processor has ended yet, which leaves nothing to estimate by.
	Known bool
}

// Explain says why a job is not admitted. Its cost grows with the number of jobs that wait in the job's namespace.
func (q *Queue) Explain(job *v1alpha1.ProcessingJob) Waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := Waiting{Position: -1}
	if KueueManaged(job) {
		w.Reason, w.Message = v1alpha1.ReasonKueue, "left to the Kueue queue "+job.Labels[KueueLabel]
		return w
	}
	if Suspended(job) {
		w.Reason, w.Message = v1alpha1.ReasonSuspended, "spec.suspend is true"
		return w
	}
	key := lineKey{priority: Priority(job), processor: processorKey{job.Namespace, job.Spec.Processor}}
	w.Reason, w.Message = q.reason(key)
	if e := q.jobs[job.UID]; e != nil && e.state == waiting && w.Reason != v1alpha1.ReasonProcessorNotFound {
		w.Position = q.position(e)
		w.Estimate = q.estimate(key, w.Position)
		_, w.Known = q.durations[key.processor]
	}
	return w
}

// TakeTurned lists the jobs that wait for another reason than before, since their Processor came or went.
func (q *Queue) TakeTurned() []types.NamespacedName {
	q.mu.Lock()
	defer q.mu.Unlock()
	var jobs []types.NamespacedName
	for _, l := range q.lines {
		if q.turned[l.key.processor] {
			for _, job := range l.jobs {
				jobs = append(jobs, job.key)
			}
		}
	}
	clear(q.turned)
	return jobs
}

// Waiting counts the waiting jobs by reason. Its cost grows with the number of lines, not of jobs.
func (q *Queue) Waiting() map[string]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := make(map[string]int, len(Reasons))
	for _, l := range q.lines {
		reason, _ := q.reason(l.key)
		counts[reason] += l.Len()
	}
	return counts
}

func (q *Queue) reason(key lineKey) (reason, message string) {
	switch {
	case !q.known[key.processor]:
		return v1alpha1.ReasonProcessorNotFound, ProcessorNotFound(key.processor.name)
	case q.processorFull(key.processor):
		return v1alpha1.ReasonProcessorLimit, "as many jobs of this Processor run as its limits.maxActive allows"
	case q.namespaceFull(key.processor.namespace):
		return v1alpha1.ReasonNamespaceLimit, "as many jobs of this namespace run as the installation allows"
	case q.full():
		return v1alpha1.ReasonInstallationLimit, "as many jobs run as the installation allows"
	}
	return v1alpha1.ReasonQueued, "waits for its turn"
}

// ProcessorNotFound is what to say to who waits for a Processor to exist.
func ProcessorNotFound(name string) string {
	return "there is no Processor " + name + " in this namespace; the job starts when there is"
}

// position counts who starts before a job: everybody of a higher priority; of the same priority, the older ones of its
// own namespace, and as many of each other namespace, because namespaces take turns.
func (q *Queue) position(job *entry) int {
	before, own := 0, 0
	others := map[string]int{}
	for _, l := range q.lines {
		switch namespace := l.key.processor.namespace; {
		case l.key.priority > job.line.priority:
			before += l.Len()
		case l.key.priority < job.line.priority:
		case namespace == job.key.Namespace:
			own += l.ahead(job)
		default:
			others[namespace] += l.Len()
		}
	}
	for namespace, waiting := range others {
		turns := own
		if q.served[namespace] < q.served[job.key.Namespace] {
			turns++ // it is that namespace's turn first
		}
		before += min(waiting, turns)
	}
	return before + own
}

// estimate is the time until a job with so many before it starts: each of the places that jobs of its kind can have comes
// free once per mean duration.
func (q *Queue) estimate(key lineKey, before int) time.Duration {
	places := q.limits.MaxActive
	for _, limit := range []int{q.processorMax[key.processor], q.limits.MaxActivePerNamespace} {
		if limit > 0 && (places == 0 || limit < places) {
			places = limit
		}
	}
	if places == 0 || before+q.active < places {
		return 0 // there is room
	}
	mean := q.durations.mean(key.processor)
	return mean * time.Duration(before+1) / time.Duration(places)
}

// durations remembers how long jobs of each Processor took lately: an exponentially weighted mean, in which the last
// sixteen or so jobs matter.
type durations map[processorKey]time.Duration

const weight = 8 // a new value counts for one eighth

func (d durations) learn(job *v1alpha1.ProcessingJob) {
	if job.Status.Phase != v1alpha1.PhaseCompleted || job.Status.StartTime == nil || job.Status.CompletionTime == nil {
		return
	}
	key := processorKey{job.Namespace, job.Spec.Processor}
	took := job.Status.CompletionTime.Sub(job.Status.StartTime.Time)
	if old, known := d[key]; known {
		took = old + (took-old)/weight
	}
	d[key] = took
}

func (d durations) mean(key processorKey) time.Duration { return d[key] }
