package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // what the dialers of portforward take
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/klog/v2"
)

// tunnel is a local port that leads to one pod of the gateway, for as long as that pod lives.
type tunnel struct {
	address string
	stop    context.CancelFunc
	ended   chan error // receives once, when it has ended
}

// forwarding leads to the gateway whichever of its pods lives: each new connection goes through a tunnel that stands.
type forwarding struct {
	host string // that stands for the gateway in addresses
	open func(context.Context) (*tunnel, error)

	mu  sync.Mutex
	now *tunnel // nil before the first, and when the last one has ended
}

// transport takes requests for the host through the tunnel, and others, to which the gateway may redirect, the usual way.
func (f *forwarding) transport() *http.Transport {
	t := newTransport()
	proxy := t.Proxy
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Host == f.host {
			return nil, nil
		}
		return proxy(r)
	}
	t.DialContext = f.dial
	return t
}

func (f *forwarding) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address == net.JoinHostPort(f.host, "80") {
		var err error
		if address, err = f.address(ctx); err != nil {
			return nil, err
		}
	}
	return dialer.DialContext(ctx, network, address)
}

// address is that of a tunnel that has not ended, as far as is known: that a pod is gone shows only when a connection
// to it fails, which is then tried again.
func (f *forwarding) address(ctx context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil {
		select {
		case <-f.now.ended:
			f.now = nil
		default:
			return f.now.address, nil
		}
	}
	t, err := f.open(ctx)
	if err != nil {
		return "", err
	}
	f.now = t
	return t.address, nil
}

func (f *forwarding) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil {
		f.now.stop()
		f.now = nil
	}
}

// forward opens a tunnel to a ready pod of the gateway's Service.
func (a *app) forward(ctx context.Context, config *rest.Config) (*tunnel, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	pod, port, err := a.gatewayPod(ctx, kube)
	if err != nil {
		return nil, withCode(exitUnreachable, err)
	}
	// What goes wrong in a tunnel shows as an error of the request in it; nothing else is to be written on the terminal.
	quiet := klog.Logger{}
	dialer, err := newDialer(kube, config, pod, quiet)
	if err != nil {
		return nil, err
	}
	// The tunnel outlives the connection that it was opened for.
	life, stop := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), quiet))
	t, ready := &tunnel{stop: stop, ended: make(chan error, 1)}, make(chan struct{})
	forwarder, err := portforward.NewOnAddressesWithContext(life, dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("0:%d", port)}, ready, nil, nil)
	if err != nil {
		stop()
		return nil, err
	}
	go func() { t.ended <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-t.ended:
		stop()
		return nil, withCode(exitUnreachable, fmt.Errorf("forward a port to pod %s/%s: %w", pod.Namespace, pod.Name, err))
	case <-ctx.Done():
		stop()
		return nil, context.Cause(ctx)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		stop()
		return nil, err
	}
	t.address = fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
	return t, nil
}

// newDialer speaks WebSocket, and SPDY where the API server or a proxy does not.
func newDialer(kube kubernetes.Interface, config *rest.Config, pod *corev1.Pod, logger klog.Logger) (httpstream.Dialer, error) {
	address := kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).
		SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	tunnel, err := portforward.NewSPDYOverWebsocketDialerWithLogger(logger, address, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialer(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}
