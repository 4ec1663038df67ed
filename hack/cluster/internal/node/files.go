package node

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
	"bricklayers.dev/bricklayers/hack/cluster/internal/pki"
)

//go:embed files
var files embed.FS

// Name is the name of the cluster's only node.
const Name = "node"

const (
	// ContainerdSocket is a path in the node's own root file system.
	ContainerdSocket = "/run/containerd/containerd.sock"
	// PauseImage is the name under which the build packs the program that holds a pod's namespaces.
	PauseImage = "bricklayers.dev/pause:dev"
)

// values are what the configuration files are filled in with.
type values struct {
	layout.Layout
	Addresses        layout.Addresses
	NodeName         string
	Cgroup           string
	ContainerdSocket string
	PauseImage       string
}

// WriteFiles writes keys, certificates and the configuration of every program of the node.
func WriteFiles(l layout.Layout, addresses layout.Addresses, cgroup string) error {
	for _, dir := range []string{l.PKI(), l.Logs(), l.Var(), l.NodeRoot(), filepath.Join(l.Config(), "cni")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := writeKeys(l, addresses); err != nil {
		return fmt.Errorf("keys and certificates: %w", err)
	}
	filled := values{Layout: l, Addresses: addresses, NodeName: Name, Cgroup: cgroup,
		ContainerdSocket: ContainerdSocket, PauseImage: PauseImage}
	for source, target := range map[string]string{
		"audit-policy.yaml": "audit-policy.yaml",
		"kubelet.yaml":      "kubelet.yaml",
		"kube-proxy.yaml":   "kube-proxy.yaml",
		"containerd.toml":   "containerd.toml",
		"cni.conflist":      "cni/pods.conflist",
	} {
		if err := fill(source, filepath.Join(l.Config(), target), filled); err != nil {
			return err
		}
	}
	// Empty on purpose: a pod's only name server is the cluster's.
	return os.WriteFile(filepath.Join(l.Config(), "resolv.conf"), nil, 0o644)
}

func fill(source, target string, filled values) error {
	parsed, err := template.New(source).Option("missingkey=error").ParseFS(files, "files/"+source)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, filled); err != nil {
		return err
	}
	return os.WriteFile(target, out.Bytes(), 0o644)
}

func writeKeys(l layout.Layout, addresses layout.Addresses) error {
	authority, pair, err := pki.NewAuthority("bricklayers-" + l.Name)
	if err != nil {
		return err
	}
	if err := pair.Write(l.PKI(), "ca"); err != nil {
		return err
	}
	serving, err := authority.Server(
		[]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		[]net.IP{addresses.API.AsSlice(), addresses.Node.AsSlice(), net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	if err := serving.Write(l.PKI(), "kube-apiserver"); err != nil {
		return err
	}
	// Signs service account tokens; nobody asks the certificate for more than the public key.
	tokens, err := authority.Client("service-account-tokens")
	if err != nil {
		return err
	}
	if err := tokens.Write(l.PKI(), "service-account"); err != nil {
		return err
	}
	toKubelet, err := authority.Client("kube-apiserver-kubelet-client", "system:masters")
	if err != nil {
		return err
	}
	if err := toKubelet.Write(l.PKI(), "kubelet-client"); err != nil {
		return err
	}
	return writeKubeconfigs(l, addresses, authority)
}

func writeKubeconfigs(l layout.Layout, addresses layout.Addresses, authority *pki.Authority) error {
	for _, user := range []struct{ file, name, group string }{
		{l.Kubeconfig(), "admin", "system:masters"},
		{kubeconfigOf(l, "kube-controller-manager"), "system:kube-controller-manager", ""},
		{kubeconfigOf(l, "kube-scheduler"), "system:kube-scheduler", ""},
		{kubeconfigOf(l, "kubelet"), "system:node:" + Name, "system:nodes"},
		{kubeconfigOf(l, "kube-proxy"), "system:kube-proxy", ""},
	} {
		pair, err := authority.Client(user.name, user.group)
		if err != nil {
			return err
		}
		config := api.NewConfig()
		config.Clusters[l.Name] = &api.Cluster{
			Server: addresses.APIServer(), CertificateAuthorityData: authority.PEM}
		config.AuthInfos[user.name] = &api.AuthInfo{
			ClientCertificateData: pair.Certificate, ClientKeyData: pair.Key}
		config.Contexts[l.Name] = &api.Context{Cluster: l.Name, AuthInfo: user.name}
		config.CurrentContext = l.Name
		if err := clientcmd.WriteToFile(*config, user.file); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfigOf(l layout.Layout, program string) string {
	return filepath.Join(l.Config(), program+".kubeconfig")
}
