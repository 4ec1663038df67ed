package stack

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// node takes a kubelet's place: it runs a pod's containers as processes, one after the other, in a folder that stands
// for the pod's volume, and reports what became of them. An image stands for a program by the last part of its name.
type node struct {
	stack *Stack
	kube  *kubernetes.Clientset
	done  sync.WaitGroup
}

func startNode(s *Stack) {
	kube, err := kubernetes.NewForConfig(s.CP.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	n := &node{stack: s, kube: kube}
	ctx, cancel := context.WithCancel(context.Background())
	pods := &corev1.PodList{}
	watch, err := s.CP.Client.Watch(ctx, pods, client.InNamespace(s.Namespace))
	if err != nil {
		s.t.Fatal(err)
	}
	seen := map[string]bool{}
	n.done.Go(func() {
		for event := range watch.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok || pod.Status.Phase != corev1.PodPending || seen[string(pod.UID)] {
				continue
			}
			seen[string(pod.UID)] = true
			n.done.Go(func() { n.report(ctx, pod, n.live(ctx, pod)) })
		}
	})
	s.t.Cleanup(func() { cancel(); watch.Stop(); n.done.Wait() })
}

// report says what the pod's life ended with, if it is not that the test or the pod is over.
func (n *node) report(ctx context.Context, pod *corev1.Pod, err error) {
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		n.stack.t.Errorf("pod %s: %v", pod.Name, err)
	}
}

// live runs the pod's containers until one fails.
func (n *node) live(ctx context.Context, pod *corev1.Pod) error {
	dir, err := os.MkdirTemp(n.stack.dir, "pod-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
		return err
	}
	if err := n.mountToken(ctx, pod, dir); err != nil {
		return err
	}
	ctx, stop := n.whilePodExists(ctx, pod)
	defer stop()
	all := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	var states []corev1.ContainerStatus
	for i := range all {
		running := corev1.ContainerStatus{Name: all[i].Name, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()},
		}}
		if err := n.setStatus(ctx, pod, corev1.PodRunning, append(states, running)); err != nil {
			return err
		}
		ended := n.runContainer(ctx, dir, &all[i])
		states = append(states, corev1.ContainerStatus{Name: all[i].Name, State: corev1.ContainerState{Terminated: ended}})
		if ended.ExitCode != 0 {
			return n.setStatus(ctx, pod, corev1.PodFailed, states)
		}
	}
	return n.setStatus(ctx, pod, corev1.PodSucceeded, states)
}

// whilePodExists ends with the pod, as its processes do.
func (n *node) whilePodExists(ctx context.Context, pod *corev1.Pod) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for ctx.Err() == nil {
			err := n.stack.CP.Client.Get(ctx, client.ObjectKeyFromObject(pod), &corev1.Pod{})
			if apierrors.IsNotFound(err) {
				cancel()
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return ctx, cancel
}

func (n *node) mountToken(ctx context.Context, pod *corev1.Pod, dir string) error {
	account := pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	answer, err := n.kube.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences:      []string{v1alpha1.GatewayAudience},
			BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "token"), []byte(answer.Status.Token), 0o600)
}

func (n *node) setStatus(ctx context.Context, pod *corev1.Pod, phase corev1.PodPhase, states []corev1.ContainerStatus) error {
	now := &corev1.Pod{}
	if err := n.stack.CP.Client.Get(ctx, client.ObjectKeyFromObject(pod), now); err != nil {
		return err
	}
	inits := min(len(states), len(pod.Spec.InitContainers))
	now.Status.Phase = phase
	now.Status.InitContainerStatuses, now.Status.ContainerStatuses = states[:inits], states[inits:]
	return n.stack.CP.Client.Status().Update(ctx, now)
}

// runContainer runs one container to its end. Paths in a pod's volume become paths below dir.
func (n *node) runContainer(ctx context.Context, dir string, c *corev1.Container) *corev1.ContainerStateTerminated {
	started := metav1.Now()
	message := filepath.Join(dir, "termination-"+c.Name)
	paths := strings.NewReplacer("/data/", dir+"/data/", "/dev/termination-log", message)
	var env, expansions []string
	for _, e := range c.Env {
		env = append(env, e.Name+"="+paths.Replace(e.Value))
		expansions = append(expansions, "$("+e.Name+")", paths.Replace(e.Value))
	}
	image, _, _ := strings.Cut(path.Base(c.Image), ":")
	program := []string{filepath.Join(n.stack.programs, image)}
	if len(c.Command) > 0 {
		program = c.Command
	}
	args := program[1:]
	for _, arg := range c.Args {
		args = append(args, strings.NewReplacer(append(expansions, "$$", "$")...).Replace(paths.Replace(arg)))
	}
	if image == "agent" {
		args = append(args, "--data="+dir+"/data", "--token-file="+filepath.Join(dir, "token"))
	}
	var output bytes.Buffer
	command := exec.CommandContext(ctx, program[0], args...)
	command.Env = append(os.Environ(), env...)
	command.Stdout, command.Stderr = &output, &output
	command.WaitDelay = time.Second
	err := command.Run()
	ended := &corev1.ContainerStateTerminated{StartedAt: started, FinishedAt: metav1.Now(), Reason: "Completed"}
	if said, readErr := os.ReadFile(message); readErr == nil {
		ended.Message = string(said)
	}
	if err != nil {
		ended.ExitCode, ended.Reason = exitCode(err), "Error"
		if ended.Message == "" {
			ended.Message = output.String()[max(0, output.Len()-2048):]
		}
		if ended.Message == "" {
			ended.Message = err.Error()
		}
	}
	return ended
}

func exitCode(err error) int32 {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return int32(exit.ExitCode())
	}
	return 137 // killed, or could not be started
}
