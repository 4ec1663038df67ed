package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
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

// jobOf is an object as the gateway would show it.
func jobOf(o *v1alpha1.ProcessingJob) (*job, error) {
	j := &job{
		ID: o.Name, Status: string(o.Status.Phase), Reason: o.Status.Reason, Message: o.Status.Message,
		Processor: o.Spec.Processor, Parameters: o.Spec.Parameters, Attempts: o.Status.Attempts,
		CreatedAt: o.CreationTimestamp.Time, StartedAt: timeOf(o.Status.StartTime), FinishedAt: timeOf(o.Status.CompletionTime),
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

func (a *app) logs() *cobra.Command {
	var all, follow bool
	cmd := &cobra.Command{
		Use: "logs JOB", Short: "Show what a job's process has written",
		Long: `Show what a job's process has written, from its pods: the last attempt's, unless --all is given. This needs the cluster;
pods are gone some time after a job has ended.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.showLogs(cmd.Context(), args[0], all, follow) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "of every attempt, and of the steps that fetch the input and store the result")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on while the process runs")
	return cmd
}

func (a *app) showLogs(ctx context.Context, id string, all, follow bool) error {
	config, err := a.clusterConfig()
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	namespace, err := a.namespaceOfJobs()
	if err != nil {
		return err
	}
	pods, err := kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: childname.LabelJob + "=" + id})
	if err != nil {
		return fromCluster("find the job's pods", err)
	}
	if len(pods.Items) == 0 {
		return withCode(exitNotFound, fmt.Errorf("there is no pod of job %s in namespace %s: it has not started, or its pods are gone", id, namespace))
	}
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	if !all {
		pods.Items = pods.Items[len(pods.Items)-1:]
	}
	for i := range pods.Items {
		if err := a.podLogs(ctx, kube, &pods.Items[i], all, follow); err != nil {
			return err
		}
	}
	return nil
}

// podLogs copies the logs of a pod's process, or of all its containers under their names.
func (a *app) podLogs(ctx context.Context, kube kubernetes.Interface, pod *corev1.Pod, all, follow bool) error {
	for _, name := range []string{"fetch", "process", "store"} {
		if !all && name != "process" {
			continue
		}
		stream, err := kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: name, Follow: follow}).Stream(ctx)
		if apierrors.IsBadRequest(err) {
			continue // it has not started
		}
		if err != nil {
			return fromCluster("read the log of pod "+pod.Name, err)
		}
		prefix := ""
		if all {
			prefix = fmt.Sprintf("[attempt %s %s] ", pod.Labels[childname.LabelAttempt], name)
		}
		if err := copyLines(a.Out, stream, prefix); err != nil {
			return err
		}
	}
	return nil
}

func copyLines(w io.Writer, from io.ReadCloser, prefix string) error {
	defer from.Close()
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if _, err := fmt.Fprintf(w, "%s%s\n", prefix, scanner.Bytes()); err != nil {
			return err
		}
	}
	return scanner.Err()
}
