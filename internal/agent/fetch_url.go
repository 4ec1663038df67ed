package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"bricklayers.dev/bricklayers/internal/podapi"
)

const maxRedirects = 5

// forbidden are ranges that an input's address may not lead to, beside those that netip knows as loopback, private,
// link-local, multicast and unspecified: a job must not read what only the cluster can reach. RFC 6890's registry of
// special-purpose addresses.
var forbidden = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers, and by clusters for their pods
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),   // an IPv4 address inside
	netip.MustParsePrefix("64:ff9b:1::/48"), // the same, for private ones
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: an IPv4 address inside
	netip.MustParsePrefix("fec0::/10"),
}

// allowed tells whether an input may come from an address.
func (f *Fetch) allowed(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	contains := func(p netip.Prefix) bool { return p.Contains(address) }
	if slices.ContainsFunc(f.AllowCIDRs, contains) {
		return true
	}
	return address.IsGlobalUnicast() && !address.IsPrivate() && !slices.ContainsFunc(forbidden, contains)
}

// explicitlyAllowed tells whether an address lies in a range that the installation allows: only there may an input
// travel unencrypted.
func (f *Fetch) explicitlyAllowed(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(f.AllowCIDRs, func(p netip.Prefix) bool { return p.Contains(address) })
}

func (f *Fetch) fromURL(ctx context.Context) (facts *podapi.File, err error) {
	client := f.guardedClient()
	err = f.backoff.retry(ctx, func() error {
		facts, err = f.get(ctx, client)
		return err
	})
	return facts, err
}

// guardedClient connects to allowed addresses only. The check is made on the address that is about to be connected to,
// after the name was resolved and for every redirect, so that no answer of a name server gets around it.
func (f *Fetch) guardedClient() *http.Client {
	dialer := &net.Dialer{
		Timeout: 20 * time.Second,
		ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !f.allowed(target.Addr()) {
				return inputFault("the address %s is none that an input may come from", target.Addr())
			}
			return nil
		},
	}
	transport := &http.Transport{
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		ForceAttemptHTTP2:     true,
	}
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return inputFault("more than %d redirects", maxRedirects)
			}
			return f.checkURL(request.URL)
		},
	}
}

// checkURL refuses what is not https, unless the host is an address that is allowed by name.
func (f *Fetch) checkURL(u *url.URL) error {
	if u.Scheme == "https" && u.Host != "" {
		return nil
	}
	if address, err := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && err == nil && f.explicitlyAllowed(address) {
		return nil
	}
	return inputFault("%s is not an https address", u.Redacted())
}

func (f *Fetch) get(ctx context.Context, client *http.Client) (*podapi.File, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return nil, inputFault("%w", err)
	}
	if err := f.checkURL(request.URL); err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "bricklayers")
	response, err := client.Do(request)
	if err != nil {
		return nil, fetchError(ctx, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
	case worthRetrying(response.StatusCode) && response.StatusCode != http.StatusUnauthorized:
		return nil, temporary("%s answered %s", request.URL.Redacted(), response.Status)
	default:
		return nil, inputFault("%s answered %s", request.URL.Redacted(), response.Status)
	}
	if f.MaxSize > 0 && response.ContentLength > f.MaxSize {
		return nil, inputFault("the input has %d bytes; the processor takes %d", response.ContentLength, f.MaxSize)
	}
	return f.save(response.Body)
}

// fetchError tells what a later try can mend from what it cannot.
func fetchError(ctx context.Context, err error) error {
	var input *inputError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &input):
		return inputFault("%w", err)
	}
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return inputFault("the host of the input is not known: %w", err)
	}
	return temporary("%w", fmt.Errorf("the input cannot be fetched: %w", err))
}
