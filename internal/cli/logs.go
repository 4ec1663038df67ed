package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"bricklayers.dev/bricklayers/internal/childname"
)

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
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "wait for the process to start, and go on while it runs")
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
		why, err := untilStarted(ctx, kube, pod, name, follow)
		if err != nil {
			return err
		}
		if why != "" {
			fmt.Fprintf(a.Err, "%s has not started in pod %s: %s\n", name, pod.Name, why)
			return nil
		}
		options := &corev1.PodLogOptions{Container: name, Follow: follow}
		stream, err := kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
		if err != nil {
			return fromCluster("read the log of pod "+pod.Name, err)
		}
		prefix := ""
		if all {
			prefix = fmt.Sprintf("[attempt %s %s] ", pod.Labels[childname.LabelAttempt], name)
		}
		if err := copyLog(a.Out, stream, prefix); err != nil {
			return err
		}
	}
	return nil
}

// untilStarted waits for a container of a pod if asked to, and says why there is nothing to read if it has not started.
func untilStarted(
	ctx context.Context, kube kubernetes.Interface, pod *corev1.Pod, name string, follow bool,
) (why string, err error) {
	const every = 500 * time.Millisecond
	err = wait.PollUntilContextCancel(ctx, every, true, func(ctx context.Context) (bool, error) {
		now, err := kube.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return false, fromCluster("look at pod "+pod.Name, err)
		}
		why = notStarted(now, name)
		return why == "" || !follow || now.Status.Phase == corev1.PodSucceeded || now.Status.Phase == corev1.PodFailed, nil
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return why, err
}

// notStarted is what a container waits for; empty when it runs, or has run.
func notStarted(pod *corev1.Pod, name string) string {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch {
		case status.Name == name && (status.State.Running != nil || status.State.Terminated != nil):
			return ""
		case status.State.Terminated != nil && status.State.Terminated.ExitCode != 0:
			return status.Name + " failed: " + status.State.Terminated.Message
		case status.State.Running != nil:
			return status.Name + " still runs"
		case status.State.Waiting != nil && status.State.Waiting.Message != "":
			return status.State.Waiting.Reason + ": " + status.State.Waiting.Message
		}
	}
	return "the pod is " + string(pod.Status.Phase)
}

// copyLog copies line by line, however long they are, and each as soon as it is there.
func copyLog(w io.Writer, from io.ReadCloser, prefix string) error {
	defer from.Close()
	if prefix == "" {
		_, err := io.Copy(w, from)
		return err
	}
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if line[len(line)-1] != '\n' {
				line += "\n"
			}
			if _, err := io.WriteString(w, prefix+line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
