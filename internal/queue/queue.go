// Package queue decides which waiting job starts next, and can say of each why it waits, how many are ahead of it and how
// long that may take.
package queue

import (
	"container/heap"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// Queue holds no state of its own that matters: everything in it is derived from the ProcessingJobs, Processors and Jobs
// in the cache, so that a restart rebuilds it and nothing is ever written to a waiting job to keep its place.
//
// Order: the highest priority; within it the namespace that was served longest ago; within it the oldest job. A job whose
// Processor or namespace is at its limit does not hold up the others. Jobs that are alike in all this wait in one line,
// and only the heads of lines are compared: the cost of an admission grows with the number of lines, never of jobs.
type Queue struct {
	limits Limits
	clock  clock.PassiveClock

	mu     sync.Mutex
	jobs   map[types.UID]*entry
	lines  map[lineKey]*line
	live   map[types.UID]bool // owners of a Job that is neither finished nor suspended
	served map[string]uint64  // namespace → turn in which it was last served
	turn   uint64
	ledger ledger

	active       int
	waiting      int
	byNamespace  map[string]int
	byProcessor  map[processorKey]int
	processorMax map[processorKey]int // Processors with a maxActive
	known        map[processorKey]bool
	turned       map[processorKey]bool // Processors that came or went since TakeTurned
	durations    durations
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

type entry struct {
	key     types.NamespacedName
	uid     types.UID
	created time.Time
	line    lineKey
	state   jobState
	index   int // position in its line's heap, while waiting

	traceparent string // of its trace, "" where it has none

	since    time.Time // when it began to wait, as this process saw it
	estimate time.Duration
	reason   string // why it had to wait when it came
}

// New returns an empty queue.
func New(limits Limits, c clock.PassiveClock) *Queue {
	return &Queue{
		limits:       limits,
		clock:        c,
		jobs:         map[types.UID]*entry{},
		lines:        map[lineKey]*line{},
		live:         map[types.UID]bool{},
		served:       map[string]uint64{},
		ledger:       newLedger(),
		byNamespace:  map[string]int{},
		byProcessor:  map[processorKey]int{},
		processorMax: map[processorKey]int{},
		known:        map[processorKey]bool{},
		turned:       map[processorKey]bool{},
		durations:    durations{},
	}
}

// Observe takes in what the cache knows of a job. It is idempotent; an event that is older than what Next decided does
// not undo it.
func (q *Queue) Observe(job *v1alpha1.ProcessingJob) {
	q.mu.Lock()
	defer q.mu.Unlock()
	old := q.jobs[job.UID]
	state := waiting
	switch {
	case job.Status.Phase.Finished():
		if q.ledger.set(job.UID, finished) {
			q.durations.learn(job)
		}
		q.drop(old)
		return
	case job.DeletionTimestamp != nil || KueueManaged(job):
		q.ledger.set(job.UID, held)
		q.drop(old)
		return
	case job.Status.Phase == v1alpha1.PhaseRunning:
		state = running
	case Suspended(job):
		q.ledger.set(job.UID, held)
		q.drop(old)
		return
	case old != nil && old.state == reserved:
		return
	case q.live[job.UID]:
		state = reserved
	}
	q.ledger.set(job.UID, queued)
	key := lineKey{priority: Priority(job), processor: processorKey{job.Namespace, job.Spec.Processor}}
	if old != nil && old.state == state && old.line == key {
		return
	}
	q.drop(old)
	e := &entry{
		key:     types.NamespacedName{Namespace: job.Namespace, Name: job.Name},
		uid:     job.UID,
		created: job.CreationTimestamp.Time,
		line:    key,
		state:   state,
		since:   q.clock.Now(),

		traceparent: job.Annotations[v1alpha1.AnnotationTraceparent],
	}
	if state == waiting {
		e.estimate = q.estimate(key, q.waiting)
	}
	e.reason, _ = q.reason(key)
	q.add(e)
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
		q.move(job, reserved)
	}
}

// Forget drops a job that was deleted.
func (q *Queue) Forget(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ledger.remove(uid)
	q.drop(q.jobs[uid])
}

// ObserveProcessor takes in a Processor's limit; jobs that waited for it to exist may start.
func (q *Queue) ObserveProcessor(p *v1alpha1.Processor) {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := processorKey{p.Namespace, p.Name}
	if !q.known[key] {
		q.known[key], q.turned[key] = true, true
	}
	delete(q.processorMax, key)
	if p.Spec.Limits.MaxActive != nil {
		q.processorMax[key] = int(*p.Spec.Limits.MaxActive)
	}
}

// ForgetProcessor drops a Processor; jobs that name it wait until it is back.
func (q *Queue) ForgetProcessor(namespace, name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := processorKey{namespace, name}
	delete(q.known, key)
	delete(q.processorMax, key)
	q.turned[key] = true
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
	if job := q.jobs[uid]; job != nil && job.state == reserved {
		q.move(job, waiting)
	}
}

// Admission is a job that may start.
type Admission struct {
	Key types.NamespacedName
	// Waited is how long the job was in the queue, as far as this process saw it.
	Waited time.Duration
	// EstimateError is how far Waited is from what was estimated when the job came.
	EstimateError time.Duration
	// Reason is why the job had to wait when it came, one of Reasons.
	Reason string
	// Traceparent is of the job's trace, "" where it has none.
	Traceparent string
}

// Next admits the job that should start now, or says false when none may.
func (q *Queue) Next() (Admission, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full() {
		return Admission{}, false
	}
	var best *line
	for _, l := range q.lines {
		if q.open(l.key) && (best == nil || q.before(l, best)) {
			best = l
		}
	}
	if best == nil {
		return Admission{}, false
	}
	job := best.jobs[0]
	q.move(job, reserved)
	q.turn++
	q.served[job.key.Namespace] = q.turn
	waited := q.clock.Since(job.since)
	return Admission{
		Key: job.key, Waited: waited, EstimateError: (waited - job.estimate).Abs(), Reason: job.reason,
		Traceparent: job.traceparent,
	}, true
}

// Depth is how many jobs are admitted and how many wait. Suspended jobs and those left to Kueue are neither. unaccounted
// is how many of the jobs that were ever seen are in no state, or in two: always 0, or the bookkeeping is wrong.
func (q *Queue) Depth() (active, waiting, unaccounted int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.active, q.waiting, q.ledger.queued - q.active - q.waiting
}

func (q *Queue) open(key lineKey) bool {
	return q.known[key.processor] && !q.processorFull(key.processor) && !q.namespaceFull(key.processor.namespace)
}

func (q *Queue) full() bool {
	return q.limits.MaxActive > 0 && q.active >= q.limits.MaxActive
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
	return older(a.jobs[0], b.jobs[0])
}

func (q *Queue) move(job *entry, to jobState) {
	q.drop(job)
	job.state = to
	q.add(job)
}

func (q *Queue) add(job *entry) {
	q.jobs[job.uid] = job
	if job.state == waiting {
		l := q.lines[job.line]
		if l == nil {
			l = &line{key: job.line}
			q.lines[job.line] = l
		}
		heap.Push(l, job)
		q.waiting++
		return
	}
	q.active++
	q.byNamespace[job.key.Namespace]++
	q.byProcessor[job.line.processor]++
}

func (q *Queue) drop(job *entry) {
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
		q.waiting--
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

// Priority of a job; 0 when it names none.
func Priority(job *v1alpha1.ProcessingJob) int32 { return ptr.Deref(job.Spec.Priority, 0) }

// Suspended tells whether a job is kept from running by its owner.
func Suspended(job *v1alpha1.ProcessingJob) bool { return ptr.Deref(job.Spec.Suspend, false) }

// KueueLabel names the Kueue LocalQueue that a job is left to.
const KueueLabel = "kueue.x-k8s.io/queue-name"

// KueueManaged tells whether a job is admitted by Kueue and not here.
func KueueManaged(job *v1alpha1.ProcessingJob) bool { return job.Labels[KueueLabel] != "" }
