package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

var jobsResource = v1alpha1.GroupVersion.WithResource("processingjobs")

// fromCluster turns an error of the API server into one that says what the program ends with.
func fromCluster(what string, err error) error {
	code := exitUnreachable
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		code = exitRefused
	case apierrors.IsNotFound(err):
		code = exitNotFound
	}
	return withCode(code, fmt.Errorf("%s: %w", what, err))
}

// listFromCluster reads ProcessingJobs from the API server.
func (a *app) listFromCluster(ctx context.Context, l *listing) ([]*job, error) {
	config, err := a.clusterConfig()
	if err != nil {
		return nil, err
	}
	namespace, err := a.namespaceOfJobs()
	if err != nil {
		return nil, err
	}
	cluster, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	list, err := cluster.Resource(jobsResource).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fromCluster("list the jobs", err)
	}
	jobs := []*job{}
	for i := range list.Items {
		object := &v1alpha1.ProcessingJob{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, object); err != nil {
			return nil, fmt.Errorf("read job %s: %w", list.Items[i].GetName(), err)
		}
		j, err := jobOf(object)
		if err != nil {
			return nil, err
		}
		if l.matches(j) {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, func(a, b *job) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	if l.limit > 0 {
		jobs = jobs[:min(l.limit, len(jobs))]
	}
	return jobs, nil
}

func (l *listing) matches(j *job) bool {
	return (l.status == "" || l.status == j.Status) && (l.processor == "" || l.processor == j.Processor) &&
		(l.name == "" || j.Input != nil && strings.Contains(strings.ToLower(j.Input.Name), strings.ToLower(l.name)))
}

// jobOf is an object under the gateway's names for its fields. Addresses and the place in the queue only the gateway knows.
func jobOf(o *v1alpha1.ProcessingJob) (*job, error) {
	j := &job{
		ID: o.Name, Status: string(cmp.Or(o.Status.Phase, v1alpha1.PhasePending)), Reason: o.Status.Reason, Message: o.Status.Message,
		Processor: o.Spec.Processor, Parameters: o.Spec.Parameters, Attempts: o.Status.Attempts,
		CreatedAt: o.CreationTimestamp.UTC(), StartedAt: timeOf(o.Status.StartTime), FinishedAt: timeOf(o.Status.CompletionTime),
	}
	if o.Spec.Priority != nil {
		j.Priority = *o.Spec.Priority
	}
	switch in := o.Spec.Input; {
	case o.Status.Input != nil:
		j.Input = fileOf(string(o.Status.Input.Name), o.Status.Input.Size, string(o.Status.Input.SHA256))
	case in.Upload != nil:
		j.Input = fileOf(string(in.Upload.Name), in.Upload.Size, string(in.Upload.SHA256))
	}
	if o.Status.Output != nil {
		for _, f := range o.Status.Output.Files {
			j.Output = append(j.Output, *fileOf(string(f.Name), f.Size, string(f.SHA256)))
		}
	}
	var err error
	j.raw, err = json.Marshal(j)
	return j, err
}

func fileOf(name string, size *int64, sum string) *file {
	f := &file{Name: name, SHA256: sum}
	if size != nil {
		f.Size = *size
	}
	return f
}
