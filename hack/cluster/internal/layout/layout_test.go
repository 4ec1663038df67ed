package layout

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNewRefusesNames(t *testing.T) {
	for _, name := range []string{"", "..", "a/b", "Upper", "-a", "a-", "1a", "node", "images", strings.Repeat("a", 33)} {
		if _, err := New(".", name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	for _, name := range []string{"cluster", "e2e", "a", "demo-2"} {
		if _, err := New(".", name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAddressesStayInTheTestRangeAndApart(t *testing.T) {
	benchmark := netip.MustParsePrefix("198.18.0.0/15")
	var seen []netip.Prefix
	for index := range MaxClusters {
		a := NewAddresses(index)
		for _, prefix := range []netip.Prefix{a.Link, a.Services, a.Pods} {
			if !benchmark.Contains(prefix.Addr()) || prefix != prefix.Masked() {
				t.Errorf("cluster %d: %s is not a range of %s", index, prefix, benchmark)
			}
			for _, other := range seen {
				if other.Overlaps(prefix) {
					t.Errorf("cluster %d: %s overlaps %s", index, prefix, other)
				}
			}
			seen = append(seen, prefix)
		}
		if !a.Link.Contains(a.Host) || !a.Link.Contains(a.Node) {
			t.Errorf("cluster %d: %s and %s are not in %s", index, a.Host, a.Node, a.Link)
		}
		if !a.Services.Contains(a.API) || !a.Services.Contains(a.DNS) {
			t.Errorf("cluster %d: %s and %s are not in %s", index, a.API, a.DNS, a.Services)
		}
	}
}
