package node

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// Interface is the node's end of the cable to the host.
const Interface = "eth0"

// setUpNetwork gives the node its addresses. There is no default route: nothing in the cluster can leave the machine,
// and what tries fails at once.
func setUpNetwork(a layout.Addresses) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return err
	}
	link, err := netlink.LinkByName(Interface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", Interface, err)
	}
	address := netlink.Addr{IPNet: IPNet(netip.PrefixFrom(a.Node, a.Link.Bits()))}
	if err := netlink.AddrAdd(link, &address); err != nil {
		return fmt.Errorf("address %s: %w", address.IPNet, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	// kube-proxy rewrites the destination after the routing decision, so some route is needed for the decision.
	route := netlink.Route{LinkIndex: link.Attrs().Index, Dst: IPNet(a.Services), Src: a.Node.AsSlice()}
	if err := netlink.RouteAdd(&route); err != nil {
		return fmt.Errorf("route to services: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

// IPNet is the prefix in the form that netlink wants, with its host bits kept.
func IPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
