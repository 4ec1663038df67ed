package layout

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// MaxClusters is how many clusters can run at once on a machine: 198.18.0.0/15 in blocks of 4096 addresses.
const MaxClusters = 32

// Addresses are the ranges of one cluster. No two clusters share any, so that the host can route to all of them.
type Addresses struct {
	Link     netip.Prefix // between the host and the node
	Host     netip.Addr
	Node     netip.Addr
	Services netip.Prefix
	API      netip.Addr // of Service kubernetes
	DNS      netip.Addr // of Service kube-dns
	Pods     netip.Prefix
}

// NewAddresses gives the ranges of the cluster with this index, below MaxClusters.
func NewAddresses(index int) Addresses {
	base := netip.MustParseAddr("198.18.0.0").As4()
	block := binary.BigEndian.Uint32(base[:]) + uint32(index)*4096
	at := func(offset uint32) netip.Addr {
		var raw [4]byte
		binary.BigEndian.PutUint32(raw[:], block+offset)
		return netip.AddrFrom4(raw)
	}
	return Addresses{
		Link:     netip.PrefixFrom(at(0), 24),
		Host:     at(1),
		Node:     at(2),
		Services: netip.PrefixFrom(at(1024), 22),
		API:      at(1025),
		DNS:      at(1034),
		Pods:     netip.PrefixFrom(at(2048), 21),
	}
}

// LinkName is the host's end of the cable to the node; holding that name is holding the index.
func LinkName(index int) string { return fmt.Sprintf("bricklayers%d", index) }

// APIServer is the URL at which host, node and pods reach the API server.
func (a Addresses) APIServer() string { return fmt.Sprintf("https://%s:6443", a.Node) }
