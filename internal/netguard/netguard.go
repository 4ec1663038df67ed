// Package netguard lets programs of the cluster follow addresses that people outside it have written, without leading them
// to what only the cluster can reach.
package netguard

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// forbidden are ranges that an address from outside may not lead to, beside those that netip knows as loopback, private,
// link-local, multicast and unspecified: nobody may reach through us what only the cluster can reach. RFC 6890's registry of
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

// Guard says where an address may lead: to any public one, and to the ranges that an installation allows.
type Guard struct {
	Allow []netip.Prefix
}

// RefusedError says that an address leads to where it may not.
type RefusedError struct{ Address netip.Addr }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the address %s is neither public nor one that the installation allows", e.Address)
}

// Allows tells whether a connection may be made to an address.
func (g Guard) Allows(address netip.Addr) bool {
	if g.names(address) {
		return true
	}
	address = address.Unmap().WithZone("")
	return address.IsGlobalUnicast() && !address.IsPrivate() &&
		!slices.ContainsFunc(forbidden, func(p netip.Prefix) bool { return p.Contains(address) })
}

// names tells whether an address lies in a range that the installation allows: only there may bytes travel unencrypted.
func (g Guard) names(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(g.Allow, func(p netip.Prefix) bool { return p.Contains(address) })
}

// CheckURL refuses what is not https, unless the host is an address in a range that the installation allows.
func (g Guard) CheckURL(u *url.URL) error {
	if u.Scheme == "https" && u.Host != "" {
		return nil
	}
	if address, err := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && err == nil && g.names(address) {
		return nil
	}
	return fmt.Errorf("%s is not an https address", u.Redacted())
}

// Transport connects to allowed addresses only, else requests end with a *RefusedError. The check is made on the address
// that is about to be connected to, after the name was resolved and for every redirect, so that no answer of a name
// server gets around it. It uses no proxy, which would connect in its place.
func (g Guard) Transport() *http.Transport {
	dialer := &net.Dialer{
		Timeout: 20 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !g.Allows(target.Addr()) {
				return &RefusedError{target.Addr()}
			}
			return nil
		},
	}
	return &http.Transport{
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
	}
}
