package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// superseded remembers of each job the version that our last status write replaced. The event of a Job that was just
// created tends to arrive before that of the status that says so; a reconcile on the replaced version would create the
// Job again, be told that it exists, read it, and have its write refused. The version that replaced it is on its way and
// brings another reconcile. Nothing depends on it: without it the same happens at the price of three requests.
type superseded struct{ versions sync.Map } // types.NamespacedName → resourceVersion

func (s *superseded) add(job *v1alpha1.ProcessingJob) {
	s.versions.Store(client.ObjectKeyFromObject(job), job.ResourceVersion)
}

// is tells whether the job is known to be of a version that is no more, and forgets older ones.
func (s *superseded) is(job *v1alpha1.ProcessingJob) bool {
	key := client.ObjectKeyFromObject(job)
	version, known := s.versions.Load(key)
	if known && version != job.ResourceVersion {
		s.versions.CompareAndDelete(key, version)
	}
	return known && version == job.ResourceVersion
}

func (s *superseded) forget(job types.NamespacedName) { s.versions.Delete(job) }
