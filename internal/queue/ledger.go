package queue

import "k8s.io/apimachinery/pkg/types"

// standing is where a job stands, as its object says.
type standing byte

const (
	queued   standing = iota // waits or is active
	held                     // suspended, left to Kueue, or being deleted
	finished                 // kept until its retention is over
)

// ledger counts jobs apart from the queue's own sets: of all jobs that exist, those that are neither held nor finished
// must be what waits and what is active. A job that the sets lose, or keep twice, shows as a difference.
type ledger struct {
	jobs   map[types.UID]standing
	queued int
}

func newLedger() ledger { return ledger{jobs: map[types.UID]standing{}} }

// set takes in where a job stands, and tells whether that is news.
func (l *ledger) set(uid types.UID, to standing) bool {
	from, known := l.jobs[uid]
	if known && from == to {
		return false
	}
	l.remove(uid)
	l.jobs[uid] = to
	if to == queued {
		l.queued++
	}
	return true
}

// remove takes in that a job was deleted.
func (l *ledger) remove(uid types.UID) {
	if from, known := l.jobs[uid]; known && from == queued {
		l.queued--
	}
	delete(l.jobs, uid)
}
