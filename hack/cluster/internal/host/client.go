package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
	"bricklayers.dev/bricklayers/hack/cluster/internal/node"
)

type client struct{ kubernetes.Interface }

func newClient(l layout.Layout) (client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig())
	if err != nil {
		return client{}, err
	}
	config.Timeout = 5 * time.Second
	clientset, err := kubernetes.NewForConfig(config)
	return client{clientset}, err
}

func (c client) apiReady(ctx context.Context) error {
	return c.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// ready says what of the cluster is not: API server, node or cluster DNS.
func (c client) ready(ctx context.Context) error {
	if err := c.apiReady(ctx); err != nil {
		return err
	}
	n, err := c.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if condition := nodeCondition(n); condition.Status != corev1.ConditionTrue {
		return fmt.Errorf("node is not ready: %s", condition.Message)
	}
	dns, err := c.AppsV1().Deployments(metav1.NamespaceSystem).Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !available(dns) {
		return errors.New("deployment coredns is not available")
	}
	// Pods are refused in a namespace until the controller has made this account.
	_, err = c.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	return err
}

func nodeCondition(n *corev1.Node) corev1.NodeCondition {
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition
		}
	}
	return corev1.NodeCondition{Message: "the kubelet has not reported yet"}
}

func available(d *appsv1.Deployment) bool {
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentAvailable {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// resolves asks cluster DNS from the host, which proves the way through kube-proxy too.
func resolves(ctx context.Context, addresses layout.Addresses) error {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, net.JoinHostPort(addresses.DNS.String(), "53"))
	}}
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := resolver.LookupHost(limited, "kubernetes.default.svc.cluster.local.")
	return err
}

// settleTime is how long a cluster that runs may take to answer: the node starts ended programs again by itself.
const settleTime = 20 * time.Second

func checkRunning(ctx context.Context, l layout.Layout, say Say) (bool, error) {
	pid, err := nodeProcess(l)
	if err != nil || pid == 0 {
		return false, err
	}
	switch _, err := os.Stat(l.Complete()); {
	case errors.Is(err, fs.ErrNotExist):
		say("was left half-started, starting it anew")
		return false, nil
	case err != nil:
		return false, err
	}
	c, err := newClient(l)
	if err != nil {
		return false, err
	}
	if err := poll(ctx, settleTime, "cluster "+l.Name, c.ready); err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		say("does not answer (%v), starting it anew", err)
		return false, nil
	}
	say("is running: export KUBECONFIG=%s", l.Kubeconfig())
	return true, nil
}
