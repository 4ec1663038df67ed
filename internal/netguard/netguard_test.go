package netguard

import (
	"net/netip"
	"net/url"
	"testing"
)

func TestAllowedAddresses(t *testing.T) {
	guard := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for address, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1:248:1893:25c8:1946": true, "10.1.2.3": true, "::ffff:10.1.2.3": true,
		"127.0.0.1": false, "::1": false, "10.2.0.1": false, "192.168.0.1": false, "172.16.0.1": false, "169.254.169.254": false,
		"fe80::1": false, "fd00::1": false, "0.0.0.0": false, "::": false, "100.64.0.1": false, "224.0.0.1": false,
		"255.255.255.255": false, "::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "fe80::1%eth0": false,
	} {
		if got := guard.Allows(netip.MustParseAddr(address)); got != want {
			t.Errorf("Allows(%s) = %v, want %v", address, got, want)
		}
	}
}

func TestCheckURL(t *testing.T) {
	guard := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for address, want := range map[string]bool{
		"https://example.com/a": true, "https://127.0.0.1/a": true, // the connection will be refused
		"http://example.com/a": false, "http://10.1.2.3/a": true, "http://10.2.2.3/a": false, "http://[::1]/a": false,
		"ftp://10.1.2.3/a": false, "https:///a": false, "/a": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := guard.CheckURL(u) == nil; got != want {
			t.Errorf("CheckURL(%s) passes: %v, want %v", address, got, want)
		}
	}
}
