// Package forward carries TCP connections from the host's loopback device to Services of a cluster.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// A Rule says which local address leads to which port of which Service.
type Rule struct {
	Listen    string // host:port
	Namespace string
	Service   string
	Port      int32
}

// ParseRule reads HOST:PORT=NAMESPACE/SERVICE:PORT. The host has to be a loopback address: the Services of a
// development cluster are nobody else's business.
func ParseRule(text string) (Rule, error) {
	const form = "127.0.0.1:8000=NAMESPACE/SERVICE:PORT"
	listen, target, ok := strings.Cut(text, "=")
	if !ok {
		return Rule{}, fmt.Errorf("forward %q: write it as %s", text, form)
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return Rule{}, fmt.Errorf("forward %q: %w; write it as %s", text, err, form)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return Rule{}, fmt.Errorf("forward %q: %s is not a loopback address; use 127.0.0.1", text, host)
	}
	name, portText, err := net.SplitHostPort(target)
	if err != nil {
		return Rule{}, fmt.Errorf("forward %q: %w; write it as %s", text, err, form)
	}
	namespace, service, ok := strings.Cut(name, "/")
	port, err := strconv.ParseUint(portText, 10, 16)
	if !ok || namespace == "" || service == "" || err != nil || port == 0 {
		return Rule{}, fmt.Errorf("forward %q: write it as %s", text, form)
	}
	return Rule{Listen: listen, Namespace: namespace, Service: service, Port: int32(port)}, nil
}

func (r Rule) String() string {
	return fmt.Sprintf("%s=%s/%s:%d", r.Listen, r.Namespace, r.Service, r.Port)
}

// Serve accepts connections until the context ends. The Service is looked up for each of them, so that it may come, go
// and come back meanwhile; a connection that cannot be carried is closed and the reason logged.
func Serve(ctx context.Context, listener net.Listener, rule Rule, client kubernetes.Interface) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("accept on %s: %w", rule.Listen, err)
		}
		go func() {
			if err := carry(ctx, connection.(*net.TCPConn), rule, client); err != nil {
				log.Printf("%s: %v", rule, err)
			}
		}()
	}
}

func carry(ctx context.Context, local *net.TCPConn, rule Rule, client kubernetes.Interface) error {
	defer func() { _ = local.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	service, err := client.CoreV1().Services(rule.Namespace).Get(ctx, rule.Service, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if ip := service.Spec.ClusterIP; ip == "" || ip == corev1.ClusterIPNone {
		return errors.New("the service has no cluster IP")
	}
	var dialer net.Dialer
	address := net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(rule.Port)))
	remote, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = remote.Close() }()
	copyBoth(local, remote.(*net.TCPConn))
	return nil
}

// copyBoth passes the end of one direction on, as HTTP clients that close their half early need it. How a connection
// ends is the two sides' affair, and each of them sees it.
func copyBoth(a, b *net.TCPConn) {
	var directions sync.WaitGroup
	oneWay := func(to, from *net.TCPConn) {
		_, _ = io.Copy(to, from)
		_ = to.CloseWrite()
	}
	directions.Go(func() { oneWay(a, b) })
	directions.Go(func() { oneWay(b, a) })
	directions.Wait()
}
