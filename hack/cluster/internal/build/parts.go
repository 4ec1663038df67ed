package build

import (
	"fmt"
	"path/filepath"
	"strings"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// A part is what one run of the Go linker or compiler makes from one module. The module's go.mod and go.sum pin what
// goes into it.
type part struct {
	name     string
	module   string   // folder below hack
	packages []string // what to build
	output   string   // a program, or a folder that ends in a slash
	cgo      bool
	debian   []debianPackage             // what compiling and running it takes
	ldflags  func(version string) string // beyond leaving debug information out
	version  string                      // module whose version ldflags gets
	links    []string                    // other names of the program, as paths
	slow     string                      // how long it takes with an empty Go cache, when that is long
}

func parts(l layout.Layout) []part {
	plugin := "github.com/containernetworking/plugins/plugins/"
	containerd := "github.com/containerd/containerd/v2/cmd/"
	return []part{
		{name: "kubernetes", module: "cluster", packages: []string{"./kubernetes"}, output: l.Program("kubernetes"),
			debian: []debianPackage{nftables}, version: "k8s.io/kubernetes", ldflags: kubernetesVersion,
			links: kubernetesLinks(l),
			slow:  "up to 7 minutes on 2 cores when Go has not compiled it before"},
		{name: "etcd", module: "cluster/tools/etcd", packages: []string{"go.etcd.io/etcd/server/v3"},
			output: l.Program("etcd"), slow: "up to half a minute"},
		{name: "containerd", module: "cluster/tools/containerd", output: l.Programs() + "/", slow: "up to a minute",
			packages: []string{containerd + "containerd", containerd + "containerd-shim-runc-v2", containerd + "ctr"}},
		{name: "runc", module: "cluster/tools/runc", packages: []string{"github.com/opencontainers/runc"},
			output: l.Program("runc"), cgo: true,
			debian: []debianPackage{gcc, libc, pkgConfig, seccomp}},
		{name: "cni", module: "cluster/tools/cni", output: l.Program("cni") + "/",
			packages: []string{plugin + "main/ptp", plugin + "main/loopback", plugin + "ipam/host-local",
				plugin + "meta/portmap"}},
		{name: "coredns", module: "cluster/tools/coredns", packages: []string{"github.com/coredns/coredns"},
			output: l.Program("coredns"), slow: "up to 2 minutes"},
		{name: "pause", module: "cluster", packages: []string{"./pause"}, output: l.Program("pause")},
		{name: "helm", module: "cluster/tools/helm", packages: []string{"helm.sh/helm/v4/cmd/helm"},
			output: filepath.Join(l.Bin(), "helm"), version: "helm.sh/helm/v4", ldflags: helmVersion, slow: "up to 2 minutes"},
		{name: "packimage", module: "images", packages: []string{"."}, output: packImage(l)},
	}
}

// packImage is the program that makes container images.
func packImage(l layout.Layout) string { return filepath.Join(l.Bin(), "packimage") }

func kubernetesLinks(l layout.Layout) []string {
	links := []string{filepath.Join(l.Bin(), "kubectl")}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet",
		"kube-proxy", "kubectl"} {
		links = append(links, l.Program(name))
	}
	return links
}

// kubernetesVersion stamps what Kubernetes' own build does; without it every program says v0.0.0, and clients that
// compare versions refuse it.
func kubernetesVersion(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	const variable = "-X k8s.io/component-base/version."
	return fmt.Sprintf("%[1]sgitMajor=%[2]s %[1]sgitMinor=%[3]s %[1]sgitVersion=%[4]s %[1]sgitTreeState=clean",
		variable, major, minor, version)
}

func helmVersion(version string) string {
	return "-X helm.sh/helm/v4/internal/version.version=" + version
}
