package gateway

import (
	"cmp"
	"strings"
	"sync"

	"github.com/google/btree"
	"k8s.io/apimachinery/pkg/types"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// index holds the cache's jobs in the order in which they are listed, so that a page costs the same whatever the number
// of jobs. The jobs are the cache's own: they are read, never changed.
type index struct {
	mu         sync.RWMutex
	namespaces map[string]*indexed
}

type indexed struct {
	byName map[string]*v1alpha1.ProcessingJob
	byAge  *btree.BTreeG[*v1alpha1.ProcessingJob]
	bytes  int64 // of all
}

// newestFirst is total: names are unique in a namespace. Creation times have seconds.
func newestFirst(a, b *v1alpha1.ProcessingJob) bool {
	return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), strings.Compare(a.Name, b.Name)) < 0
}

func newIndex() *index {
	return &index{namespaces: map[string]*indexed{}}
}

func (x *index) put(job *v1alpha1.ProcessingJob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	in := x.namespaces[job.Namespace]
	if in == nil {
		in = &indexed{
			byName: map[string]*v1alpha1.ProcessingJob{},
			byAge:  btree.NewG(32, newestFirst),
		}
		x.namespaces[job.Namespace] = in
	}
	in.drop(job.Name) // it may have been made again since, at another time
	in.byName[job.Name] = job
	in.byAge.ReplaceOrInsert(job)
	in.bytes += usageOf(job).bytes
}

// usage is what a namespace has.
func (x *index) usage(namespace string) usage {
	x.mu.RLock()
	defer x.mu.RUnlock()
	in := x.namespaces[namespace]
	if in == nil {
		return usage{}
	}
	return usage{jobs: len(in.byName), bytes: in.bytes}
}

func (x *index) remove(name types.NamespacedName) {
	x.mu.Lock()
	defer x.mu.Unlock()
	in := x.namespaces[name.Namespace]
	if in == nil {
		return
	}
	in.drop(name.Name)
	if len(in.byName) == 0 {
		delete(x.namespaces, name.Namespace)
	}
}

func (in *indexed) drop(name string) {
	if old := in.byName[name]; old != nil {
		in.byAge.Delete(old)
		delete(in.byName, name)
		in.bytes -= usageOf(old).bytes
	}
}

// maxLooked bounds how many jobs one page looks at: a filter that fits none of them must not cost more than that.
const maxLooked = 10_000

// page returns up to limit jobs behind the given one, newest first, and whether there may be more behind the last one it
// looked at. A page may be short or empty although there are more: the filter fitted few of those it looked at.
func (x *index) page(namespace string, behind *v1alpha1.ProcessingJob, limit int, fits func(*v1alpha1.ProcessingJob) bool,
) (found []*v1alpha1.ProcessingJob, last *v1alpha1.ProcessingJob, more bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	in := x.namespaces[namespace]
	if in == nil {
		return nil, nil, false
	}
	looked := 0
	look := func(job *v1alpha1.ProcessingJob) bool {
		if behind != nil && !newestFirst(behind, job) {
			return true // the pivot itself
		}
		if len(found) == limit || looked == maxLooked {
			more = true
			return false
		}
		looked++
		last = job
		if fits(job) {
			found = append(found, job)
		}
		return true
	}
	if behind == nil {
		in.byAge.Ascend(look)
	} else {
		in.byAge.AscendGreaterOrEqual(behind, look)
	}
	return found, last, more
}
