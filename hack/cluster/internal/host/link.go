package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
	"bricklayers.dev/bricklayers/hack/cluster/internal/node"
)

// plugIn lays a cable from the host to the node and routes the cluster's addresses over it. The first free name decides
// which addresses the cluster gets, because the kernel gives a name only once.
func plugIn(l layout.Layout, nodePID int) (index int, err error) {
	for index := range layout.MaxClusters {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = layout.LinkName(index)
		veth := netlink.NewVeth(attributes)
		veth.PeerName, veth.PeerNamespace = node.Interface, netlink.NsPid(nodePID)
		err := netlink.LinkAdd(veth)
		if errors.Is(err, syscall.EEXIST) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("cable %s to the node: %w", attributes.Name, err)
		}
		if err := setUpHostEnd(l, veth, layout.NewAddresses(index)); err != nil {
			return 0, fmt.Errorf("%s: %w", attributes.Name, err)
		}
		return index, nil
	}
	return 0, fmt.Errorf("all %d address blocks for clusters are in use; take one down", layout.MaxClusters)
}

func setUpHostEnd(l layout.Layout, link netlink.Link, a layout.Addresses) error {
	if err := netlink.LinkSetAlias(link, l.State()); err != nil {
		return fmt.Errorf("alias: %w", err)
	}
	address := netlink.Addr{IPNet: node.IPNet(netip.PrefixFrom(a.Host, a.Link.Bits()))}
	if err := netlink.AddrAdd(link, &address); err != nil {
		return fmt.Errorf("address %s: %w", address.IPNet, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("switch on: %w", err)
	}
	for _, to := range []netip.Prefix{a.Services, a.Pods} {
		route := netlink.Route{LinkIndex: link.Attrs().Index, Dst: node.IPNet(to), Gw: a.Node.AsSlice()}
		if err := netlink.RouteAdd(&route); err != nil {
			return fmt.Errorf("route to %s: %w", to, err)
		}
	}
	return nil
}

// findLink returns the host's end of the cluster's cable, nil when there is none.
func findLink(l layout.Layout) (netlink.Link, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	for _, link := range links {
		if link.Attrs().Alias == l.State() {
			return link, nil
		}
	}
	return nil, nil
}

// unplug removes the cable, and returns once the kernel has. It goes with the node anyway, but a moment later.
func unplug(ctx context.Context, l layout.Layout) error {
	return poll(ctx, 10*time.Second, "the network interface to go", func(context.Context) error {
		link, err := findLink(l)
		if err != nil || link == nil {
			return err
		}
		if err := netlink.LinkDel(link); err != nil && !errors.Is(err, syscall.ENODEV) {
			return err
		}
		return fmt.Errorf("%s is still there", link.Attrs().Name)
	})
}
