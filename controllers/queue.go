package controllers

import (
	"container/heap"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/metrics"
)

// Queue decides which waiting job starts next. It holds no state of its own that matters: everything in it is derived
// from the ProcessingJobs and Jobs in the cache, so that a restart rebuilds it and nothing is ever written to a waiting
// job to keep its place.
//
// Order: the highest priority; within it the namespace that was served longest ago; within it the oldest job. A job whose
// Processor or namespace is at its limit does not hold up the others. Jobs that are alike in all this wait in one line,
// and only the heads of lines are compared: the cost of an admission grows with the number of lines, never of jobs.
type Queue struct {
	limits Limits

	mu     sync.Mutex
	jobs   map[types.UID]*queuedJob
	lines  map[lineKey]*line
	live   map[types.UID]bool // owners of a Job that is neither finished nor suspended
	served map[string]uint64  // namespace → turn in which it was last served
	turn   uint64

	active       int
	byNamespace  map[string]int
	byProcessor  map[processorKey]int
	processorMax map[processorKey]int // Processors with a maxActive
	known        map[processorKey]bool
}

// Limits on admitted jobs. Zero means no limit.
type Limits struct {
	MaxActive             int
	MaxActivePerNamespace int
}

type processorKey struct{ namespace, name string }

type lineKey struct {
	priority  int32
	processor processorKey
}

type jobState int

const (
	waiting  jobState = iota // in a line
	reserved                 // admitted by Next; the write that says so is under way
	running                  // admitted, as its status or its Job shows
)

type queuedJob struct {
	key     types.NamespacedName
	uid     types.UID
	created time.Time
	line    lineKey
	state   jobState
	index   int // position in its line's heap, while waiting
}

// NewQueue returns an empty queue.
func NewQueue(limits Limits) *Queue {
	return &Queue{
		limits:       limits,
		jobs:         map[types.UID]*queuedJob{},
		lines:        map[lineKey]*line{},
		live:         map[types.UID]bool{},
		served:       map[string]uint64{},
		byNamespace:  map[string]int{},
		byProcessor:  map[processorKey]int{},
		processorMax: map[processorKey]int{},
		known:        map[processorKey]bool{},
	}
}

// Observe takes in what the cache knows of a job. It is idempotent; an event that is older than what Next decided does
// not undo it.
func (q *Queue) Observe(job *v1alpha1.ProcessingJob) {
	q.mu.Lock()
	defer q.mu.Unlock()
	old := q.jobs[job.UID]
	if job.Status.Phase.Finished() || job.DeletionTimestamp != nil {
		q.drop(old)
		return
	}
	entry := &queuedJob{
		key:     types.NamespacedName{Namespace: job.Namespace, Name: job.Name},
		uid:     job.UID,
		created: job.CreationTimestamp.Time,
		line:    lineKey{priority: priorityOf(job), processor: processorKey{job.Namespace, job.Spec.Processor}},
		state:   waiting,
	}
	switch {
	case job.Status.Phase == v1alpha1.PhaseRunning:
		entry.state = running
	case suspended(job):
		q.drop(old)
		return
	case old != nil && old.state == reserved:
		return
	case q.live[job.UID]:
		entry.state = reserved
	}
	if old != nil && old.state == entry.state && old.line == entry.line {
		return
	}
	q.drop(old)
	q.add(entry)
}

// ObserveChild takes in whether a job has a Job that is neither finished nor suspended. A waiting job that has one counts
// as admitted: its manager was stopped between creating the Job and saying so.
func (q *Queue) ObserveChild(owner types.UID, live bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !live {
		delete(q.live, owner)
		return
	}
	q.live[owner] = true
	if job := q.jobs[owner]; job != nil && job.state == waiting {
		q.drop(job)
		job.state = reserved
		q.add(job)
	}
}

// Forget drops a job that was deleted.
func (q *Queue) Forget(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drop(q.jobs[uid])
}

// ObserveProcessor takes in a Processor's limit; jobs that waited for it to exist may start.
func (q *Queue) ObserveProcessor(p *v1alpha1.Processor) {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := processorKey{p.Namespace, p.Name}
	q.known[key] = true
	delete(q.processorMax, key)
	if p.Spec.Limits.MaxActive != nil {
		q.processorMax[key] = int(*p.Spec.Limits.MaxActive)
	}
}

// ForgetProcessor drops a Processor; jobs that name it wait until it is back.
func (q *Queue) ForgetProcessor(namespace, name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.known, processorKey{namespace, name})
	delete(q.processorMax, processorKey{namespace, name})
}

// Admitted tells whether the job may have a Job.
func (q *Queue) Admitted(uid types.UID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	job := q.jobs[uid]
	return job != nil && job.state != waiting
}

// Release gives a reserved place back: the job could not be started and waits again.
func (q *Queue) Release(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	job := q.jobs[uid]
	if job == nil || job.state != reserved {
		return
	}
	q.drop(job)
	job.state = waiting
	q.add(job)
}

// Next admits the job that should start now and returns it, or false when none may.
func (q *Queue) Next() (types.NamespacedName, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limits.MaxActive > 0 && q.active >= q.limits.MaxActive {
		return types.NamespacedName{}, false
	}
	var best *line
	for _, l := range q.lines {
		if q.open(l.key) && (best == nil || q.before(l, best)) {
			best = l
		}
	}
	if best == nil {
		return types.NamespacedName{}, false
	}
	job := best.jobs[0]
	q.drop(job)
	job.state = reserved
	q.add(job)
	q.turn++
	q.served[job.key.Namespace] = q.turn
	return job.key, true
}

// WaitingReason says why a job is not admitted, with a sentence.
func (q *Queue) WaitingReason(job *v1alpha1.ProcessingJob) (reason, message string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := lineKey{processor: processorKey{job.Namespace, job.Spec.Processor}}
	switch {
	case suspended(job):
		return v1alpha1.ReasonSuspended, "spec.suspend is true"
	case !q.known[key.processor]:
		return v1alpha1.ReasonProcessorNotFound, "there is no Processor " + job.Spec.Processor +
			" in this namespace; the job starts when there is"
	case q.processorFull(key.processor):
		return v1alpha1.ReasonProcessorLimit, "as many jobs of this Processor run as its limits.maxActive allows"
	case q.namespaceFull(job.Namespace):
		return v1alpha1.ReasonNamespaceLimit, "as many jobs of this namespace run as the installation allows"
	case q.limits.MaxActive > 0 && q.active >= q.limits.MaxActive:
		return v1alpha1.ReasonInstallationLimit, "as many jobs run as the installation allows"
	}
	return v1alpha1.ReasonQueued, ""
}

// Depth counts admitted and waiting jobs.
func (q *Queue) Depth() metrics.QueueDepth {
	q.mu.Lock()
	defer q.mu.Unlock()
	return metrics.QueueDepth{Active: q.active, Pending: len(q.jobs) - q.active}
}

func (q *Queue) open(key lineKey) bool {
	return q.known[key.processor] && !q.processorFull(key.processor) && !q.namespaceFull(key.processor.namespace)
}

func (q *Queue) processorFull(key processorKey) bool {
	limit, limited := q.processorMax[key]
	return limited && q.byProcessor[key] >= limit
}

func (q *Queue) namespaceFull(namespace string) bool {
	return q.limits.MaxActivePerNamespace > 0 && q.byNamespace[namespace] >= q.limits.MaxActivePerNamespace
}

// before orders two lines by their heads.
func (q *Queue) before(a, b *line) bool {
	if a.key.priority != b.key.priority {
		return a.key.priority > b.key.priority
	}
	if sa, sb := q.served[a.key.processor.namespace], q.served[b.key.processor.namespace]; sa != sb {
		return sa < sb
	}
	return olderJob(a.jobs[0], b.jobs[0])
}

func (q *Queue) add(job *queuedJob) {
	q.jobs[job.uid] = job
	if job.state == waiting {
		l := q.lines[job.line]
		if l == nil {
			l = &line{key: job.line}
			q.lines[job.line] = l
		}
		heap.Push(l, job)
		return
	}
	q.active++
	q.byNamespace[job.key.Namespace]++
	q.byProcessor[job.line.processor]++
}

func (q *Queue) drop(job *queuedJob) {
	if job == nil {
		return
	}
	delete(q.jobs, job.uid)
	if job.state == waiting {
		l := q.lines[job.line]
		heap.Remove(l, job.index)
		if l.Len() == 0 {
			delete(q.lines, job.line)
		}
		return
	}
	q.active--
	decrement(q.byNamespace, job.key.Namespace)
	decrement(q.byProcessor, job.line.processor)
}

func decrement[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// line is a heap of waiting jobs that differ in age only; the oldest is jobs[0].
type line struct {
	key  lineKey
	jobs []*queuedJob
}

func (l *line) Len() int           { return len(l.jobs) }
func (l *line) Less(i, j int) bool { return olderJob(l.jobs[i], l.jobs[j]) }
func (l *line) Swap(i, j int) {
	l.jobs[i], l.jobs[j] = l.jobs[j], l.jobs[i]
	l.jobs[i].index, l.jobs[j].index = i, j
}

func (l *line) Push(x any) {
	job := x.(*queuedJob)
	job.index = len(l.jobs)
	l.jobs = append(l.jobs, job)
}

func (l *line) Pop() any {
	last := len(l.jobs) - 1
	job := l.jobs[last]
	l.jobs = slices.Delete(l.jobs, last, last+1)
	return job
}

// olderJob orders by creation, which has whole seconds, then by name, so that the order is total.
func olderJob(a, b *queuedJob) bool {
	if !a.created.Equal(b.created) {
		return a.created.Before(b.created)
	}
	return strings.Compare(a.key.Name, b.key.Name) < 0
}

func priorityOf(job *v1alpha1.ProcessingJob) int32 {
	if job.Spec.Priority == nil {
		return 0
	}
	return *job.Spec.Priority
}

func suspended(job *v1alpha1.ProcessingJob) bool {
	return job.Spec.Suspend != nil && *job.Spec.Suspend
}
