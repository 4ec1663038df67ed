package cleanup

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// jobs is what a sweep must know of the jobs of one namespace.
type jobs struct {
	byName, byUID map[string]job
}

type job struct {
	upload   string // name of its uploaded file, or ""
	finished bool
	output   bool // its status tells of a result
}

const pageSize = 500

func listJobs(ctx context.Context, reader client.Reader, namespace string) (*jobs, error) {
	found := &jobs{byName: map[string]job{}, byUID: map[string]job{}}
	for next := ""; ; {
		page := &v1alpha1.ProcessingJobList{}
		err := reader.List(ctx, page, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("list the ProcessingJobs of %s: %w", namespace, err)
		}
		for i := range page.Items {
			item := &page.Items[i]
			j := job{finished: item.Status.Phase.Finished(), output: item.Status.Output != nil}
			if item.Spec.Input.Upload != nil {
				j.upload = string(item.Spec.Input.Upload.Name)
			}
			found.byName[item.Name] = j
			found.byUID[string(item.UID)] = j
		}
		if next = page.Continue; next == "" {
			return found, nil
		}
	}
}
