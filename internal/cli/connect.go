package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// connect returns a client of the gateway, and how to let go of it.
func (a *app) connect(ctx context.Context) (*client, func(), error) {
	c := &client{namespace: *a.kube.Namespace, http: &http.Client{Transport: newTransport()}}
	c.token = *a.kube.BearerToken
	if c.token == "" {
		c.token = os.Getenv("BRICKLAYERS_TOKEN")
	}
	if a.gateway != "" {
		address, err := url.Parse(a.gateway)
		if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
			return nil, nil, withCode(exitUsage, fmt.Errorf("the gateway %q is no address such as http://localhost:8000", a.gateway))
		}
		c.base = strings.TrimRight(a.gateway, "/")
		return c, func() {}, nil
	}
	config, err := a.clusterConfig()
	if err != nil {
		return nil, nil, err
	}
	if c.token == "" {
		c.token = kubeToken(config)
	}
	namespace, name, err := a.serviceName()
	if err != nil {
		return nil, nil, err
	}
	f := &forwarding{host: name + "." + namespace + ".svc",
		open: func(ctx context.Context) (*tunnel, error) { return a.forward(ctx, config) }}
	if _, err := f.address(ctx); err != nil { // now, so that what can never work is not tried again and again
		f.stop()
		return nil, nil, err
	}
	c.http.Transport, c.base = f.transport(), "http://"+f.host
	return c, f.stop, nil
}

// newTransport is the usual one, with room for uploads beside each other. What waits for the end of an upload, or for
// news of a job, has an answer well within the time that a gateway that is away is waited for.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 8
	t.DialContext = dialer.DialContext
	t.ResponseHeaderTimeout = patience
	return t
}

var dialer = &net.Dialer{Timeout: 10 * time.Second}

func (a *app) clusterConfig() (*rest.Config, error) {
	// Without any kubeconfig the libraries would take the cluster to be on this machine.
	raw, err := a.kube.ToRawKubeConfigLoader().RawConfig()
	if err == nil && len(raw.Clusters) == 0 && os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil, withCode(exitUnreachable, errNoCluster)
	}
	config, err := a.kube.ToRESTConfig()
	if err != nil {
		return nil, withCode(exitUnreachable, fmt.Errorf("%w: %w", errNoCluster, err))
	}
	config.UserAgent = "bricklayers"
	return config, nil
}

// kubeToken is the kubeconfig's token, if it has one: it goes to the gateway inside the API server's connection only.
func kubeToken(config *rest.Config) string {
	if config.BearerToken != "" || config.BearerTokenFile == "" {
		return config.BearerToken
	}
	content, err := os.ReadFile(config.BearerTokenFile)
	if err != nil {
		return "" // the gateway says so if it wants one
	}
	return strings.TrimSpace(string(content))
}

// gatewayPod finds a ready pod behind the gateway's Service, and the pod's port for people.
func (a *app) gatewayPod(ctx context.Context, kube kubernetes.Interface) (*corev1.Pod, int32, error) {
	namespace, name, err := a.serviceName()
	if err != nil {
		return nil, 0, err
	}
	service, err := kube.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, 0, fmt.Errorf("find the gateway: %w; --gateway-service says where it is, --gateway its address", err)
	}
	pods, err := kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.SelectorFromSet(service.Spec.Selector).String(),
	})
	if err != nil {
		return nil, 0, fmt.Errorf("find the gateway's pods: %w", err)
	}
	for i := range pods.Items {
		if pod := &pods.Items[i]; podReady(pod) {
			port, err := targetPort(service, pod)
			return pod, port, err
		}
	}
	return nil, 0, fmt.Errorf("none of the %d pods of the gateway is ready; run doctor to see why", len(pods.Items))
}

func (a *app) serviceName() (namespace, name string, err error) {
	namespace, name, ok := strings.Cut(a.service, "/")
	if !ok || namespace == "" || name == "" {
		return "", "", withCode(exitUsage, fmt.Errorf("--gateway-service is %q; it must be NAMESPACE/NAME", a.service))
	}
	return namespace, name, nil
}

func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// targetPort is the pod's port behind the Service's port "http", or behind its first.
func targetPort(service *corev1.Service, pod *corev1.Pod) (int32, error) {
	if len(service.Spec.Ports) == 0 {
		return 0, errors.New("the gateway's Service has no port")
	}
	port := service.Spec.Ports[0]
	for _, p := range service.Spec.Ports {
		if p.Name == "http" {
			port = p
		}
	}
	if port.TargetPort.StrVal == "" {
		if port.TargetPort.IntVal != 0 {
			return port.TargetPort.IntVal, nil
		}
		return port.Port, nil
	}
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == port.TargetPort.StrVal {
				return p.ContainerPort, nil
			}
		}
	}
	return 0, fmt.Errorf("pod %s has no port %q", pod.Name, port.TargetPort.StrVal)
}

// namespaceOfJobs is where jobs are looked for in the cluster.
func (a *app) namespaceOfJobs() (string, error) {
	if *a.kube.Namespace != "" {
		return *a.kube.Namespace, nil
	}
	namespace, _, err := a.serviceName()
	return namespace, err
}
