package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestForwardingFollowsTheGateway lets the pod behind a tunnel go: the next request goes through another tunnel, and
// nothing is opened while one stands.
func TestForwardingFollowsTheGateway(t *testing.T) {
	var opened []*tunnel
	var pods []*httptest.Server
	f := &forwarding{host: "gateway.somewhere.svc", open: func(context.Context) (*tunnel, error) {
		pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
		t.Cleanup(pod.Close)
		pods = append(pods, pod)
		tunnel := &tunnel{address: strings.TrimPrefix(pod.URL, "http://"), stop: func() {}, ended: make(chan error, 1)}
		opened = append(opened, tunnel)
		return tunnel, nil
	}}
	client := &http.Client{Transport: f.transport()}
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "bucket") }))
	t.Cleanup(bucket.Close)
	get := func(address, want string) error {
		response, err := client.Get(address)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		said, err := io.ReadAll(response.Body)
		if string(said) != want {
			t.Errorf("%s answers %q, want %q", address, said, want)
		}
		return err
	}
	const gateway = "http://gateway.somewhere.svc/"
	for range 2 {
		if err := get(gateway, "gateway.somewhere.svc"); err != nil {
			t.Fatal(err)
		}
	}
	client.CloseIdleConnections()
	if err := get(gateway, "gateway.somewhere.svc"); err != nil || len(opened) != 1 {
		t.Fatalf("%d tunnels were opened while the first stands: %v", len(opened), err)
	}
	pods[0].Close()
	opened[0].ended <- errors.New("lost connection to pod")
	if err := get(gateway, "gateway.somewhere.svc"); err != nil || len(opened) != 2 {
		t.Fatalf("%d tunnels were opened, want a second one after the first has ended: %v", len(opened), err)
	}
	if err := get(bucket.URL, "bucket"); err != nil {
		t.Errorf("what the gateway redirects to cannot be reached: %v", err)
	}
}
