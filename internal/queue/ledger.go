package queue

import "k8s.io/apimachinery/pkg/types"

// standing is where a job stands, as its object says.
type standing byte

const (
	queued   standing = iota // waits or runs: the queue's own counts must add up to these
	held                     // suspended, left to Kueue, or being deleted
	finished                 // kept until its retention is over
)

// ledger counts jobs apart from the queue's own sets, so that a job which those lose, or keep twice, shows:
// accepted − gone − held − finished must be what waits and what is active.
type ledger struct {
	jobs           map[types.UID]standing
	accepted, gone int
	held, finished int
}

func newLedger() ledger { return ledger{jobs: map[types.UID]standing{}} }

// set takes in where a job stands, and tells whether that is news.
func (l *ledger) set(uid types.UID, to standing) bool {
	from, known := l.jobs[uid]
	if known && from == to {
		return false
	}
	if known {
		l.count(from, -1)
	} else {
		l.accepted++
	}
	l.jobs[uid] = to
	l.count(to, 1)
	return true
}

// remove takes in that a job was deleted.
func (l *ledger) remove(uid types.UID) {
	from, known := l.jobs[uid]
	if !known {
		return
	}
	l.count(from, -1)
	l.gone++
	delete(l.jobs, uid)
}

func (l *ledger) count(of standing, by int) {
	switch of {
	case held:
		l.held += by
	case finished:
		l.finished += by
	case queued:
	}
}

// inQueue is how many jobs must be in the queue or active.
func (l *ledger) inQueue() int { return l.accepted - l.gone - l.held - l.finished }
