package queue

import "slices"

// line is a heap of waiting jobs that differ in age only; the oldest is jobs[0].
type line struct {
	key  lineKey
	jobs []*entry
}

func (l *line) Len() int           { return len(l.jobs) }
func (l *line) Less(i, j int) bool { return older(l.jobs[i], l.jobs[j]) }
func (l *line) Swap(i, j int) {
	l.jobs[i], l.jobs[j] = l.jobs[j], l.jobs[i]
	l.jobs[i].index, l.jobs[j].index = i, j
}

func (l *line) Push(x any) {
	job := x.(*entry)
	job.index = len(l.jobs)
	l.jobs = append(l.jobs, job)
}

func (l *line) Pop() any {
	last := len(l.jobs) - 1
	job := l.jobs[last]
	l.jobs = slices.Delete(l.jobs, last, last+1)
	return job
}

// ahead counts the jobs of the line that are older than the job.
func (l *line) ahead(job *entry) int {
	n := 0
	for _, other := range l.jobs {
		if older(other, job) {
			n++
		}
	}
	return n
}

// older orders by creation, which has whole seconds, then by name and namespace, so that the order is total.
func older(a, b *entry) bool {
	if !a.created.Equal(b.created) {
		return a.created.Before(b.created)
	}
	if a.key.Name != b.key.Name {
		return a.key.Name < b.key.Name
	}
	return a.key.Namespace < b.key.Namespace
}
