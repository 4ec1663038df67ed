package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// waitFor returns once something listens at a unix socket or TCP address, or an https URL is answered with success.
// Programs that meet an API server before its RBAC rules are complete are refused, and come back only much later.
func waitFor(ctx context.Context, l layout.Layout, target string) error {
	try := listens
	if strings.HasPrefix(target, "https://") {
		client, err := trusting(filepath.Join(l.PKI(), "ca.crt"))
		if err != nil {
			return err
		}
		try = func(ctx context.Context, url string) error { return succeeds(ctx, client, url) }
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if try(ctx, target) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func listens(ctx context.Context, address string) error {
	network := "tcp"
	if filepath.IsAbs(address) {
		network = "unix"
	}
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return connection.Close()
}

func succeeds(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

func trusting(authority string) (*http.Client, error) {
	content, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate", authority)
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}, nil
}
