// Package layout says where everything of a development cluster lies: files below the checkout's bin folder, addresses
// in the range that RFC 2544 keeps for tests.
package layout

import (
	"fmt"
	"path/filepath"
	"regexp"
)

// A Layout is the files of one cluster. Everything but Programs and Images goes away with the cluster.
type Layout struct {
	Root string // the checkout, absolute
	Name string // the cluster
}

// validName keeps the name usable as folder, host name and node name.
var validName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$`)

// reserved are folders below bin that are not clusters; taking such a cluster down would delete them.
var reserved = map[string]bool{"node": true, "images": true, "release": true, "previous": true}

// New checks the cluster's name and makes the root absolute.
func New(root, name string) (Layout, error) {
	if !validName.MatchString(name) {
		return Layout{}, fmt.Errorf("cluster name %q: use up to 32 of a-z, 0-9 and '-', beginning with a letter", name)
	}
	if reserved[name] {
		return Layout{}, fmt.Errorf("cluster name %q is taken by a folder of the build; choose another", name)
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		return Layout{}, fmt.Errorf("checkout %s: %w", root, err)
	}
	return Layout{Root: absolute, Name: name}, nil
}

// Bin is the folder below which all that is built or written lies.
func (l Layout) Bin() string { return filepath.Join(l.Root, "bin") }

// Programs is the folder of the node's programs, shared by all clusters.
func (l Layout) Programs() string { return filepath.Join(l.Bin(), "node") }

// Program is the path of one of the node's programs.
func (l Layout) Program(name string) string { return filepath.Join(l.Programs(), name) }

// Images is the folder of the images that every cluster needs.
func (l Layout) Images() string { return filepath.Join(l.Programs(), "images") }

// State is the folder of all that this cluster writes. Its path is the cluster's identity on the machine.
func (l Layout) State() string { return filepath.Join(l.Bin(), l.Name) }

// Kubeconfig holds the administrator's credentials.
func (l Layout) Kubeconfig() string { return filepath.Join(l.State(), "kubeconfig") }

// Complete is a file that exists once the cluster was started to the end.
func (l Layout) Complete() string { return filepath.Join(l.State(), "complete") }

// PKI is the folder of keys and certificates.
func (l Layout) PKI() string { return filepath.Join(l.State(), "pki") }

// Config is the folder of the programs' configuration files.
func (l Layout) Config() string { return filepath.Join(l.State(), "config") }

// Logs is the folder of the programs' output.
func (l Layout) Logs() string { return filepath.Join(l.State(), "logs") }

// Log is where one program's output goes.
func (l Layout) Log(program string) string { return filepath.Join(l.Logs(), program+".log") }

// Var is what the node sees as /var: etcd's data, containerd's content, the kubelet's pods and the volumes.
func (l Layout) Var() string { return filepath.Join(l.State(), "var") }

// NodeRoot is where the node's own root file system is put together. Nothing is ever stored in it.
func (l Layout) NodeRoot() string { return filepath.Join(l.State(), "root") }
