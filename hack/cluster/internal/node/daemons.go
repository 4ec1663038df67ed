package node

import (
	"path/filepath"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
)

// A daemon is a program that runs as long as the cluster.
type daemon struct {
	name  string
	path  string
	args  []string
	after string // what must answer before the daemon is started, see waitFor; empty: nothing
}

const etcdAddress = "127.0.0.1:2379" // on the node's own loopback device, which no pod can reach

// daemons lists what the node runs. Requests per second are generous because tests create objects by the thousand, and
// nothing elects a leader because there is never a second one.
func daemons(l layout.Layout, a layout.Addresses) []daemon {
	api := a.APIServer() + "/readyz"
	program := func(name, after string, args ...string) daemon {
		return daemon{name: name, path: l.Program(name), args: args, after: after}
	}
	return []daemon{
		program("etcd", "",
			"--name="+Name, "--data-dir=/var/lib/etcd", "--log-level=warn",
			"--listen-client-urls=http://"+etcdAddress, "--advertise-client-urls=http://"+etcdAddress,
			"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster="+Name+"=http://127.0.0.1:2380",
			"--unsafe-no-fsync"), // the data does not outlive the cluster
		program("containerd", "", "--config="+filepath.Join(l.Config(), "containerd.toml"), "--log-level=warn"),
		program("kube-apiserver", etcdAddress, apiServerFlags(l, a)...),
		program("kube-controller-manager", api,
			"--kubeconfig="+kubeconfigOf(l, "kube-controller-manager"), "--bind-address=127.0.0.1",
			"--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=400",
			"--use-service-account-credentials",
			"--service-account-private-key-file="+filepath.Join(l.PKI(), "service-account.key"),
			"--root-ca-file="+filepath.Join(l.PKI(), "ca.crt"),
			"--cluster-signing-cert-file="+filepath.Join(l.PKI(), "ca.crt"),
			"--cluster-signing-key-file="+filepath.Join(l.PKI(), "ca.key")),
		program("kube-scheduler", api,
			"--kubeconfig="+kubeconfigOf(l, "kube-scheduler"), "--bind-address=127.0.0.1",
			"--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=400"),
		program("kubelet", ContainerdSocket,
			"--kubeconfig="+kubeconfigOf(l, "kubelet"), "--config="+filepath.Join(l.Config(), "kubelet.yaml"),
			"--hostname-override="+Name, "--node-ip="+a.Node.String()),
		program("kube-proxy", api, "--config="+filepath.Join(l.Config(), "kube-proxy.yaml")),
		// The path stays valid when the program is built anew while the cluster runs.
		{name: "storage", path: "/proc/self/exe", after: api, args: []string{"storage", "--kubeconfig", l.Kubeconfig(),
			"--directory", volumes, "--node", Name}},
	}
}

// volumes is where the node keeps persistent volumes.
const volumes = "/var/lib/volumes"

func apiServerFlags(l layout.Layout, a layout.Addresses) []string {
	return []string{
		"--etcd-servers=http://" + etcdAddress,
		"--bind-address=" + a.Node.String(), "--advertise-address=" + a.Node.String(), "--secure-port=6443",
		"--tls-cert-file=" + filepath.Join(l.PKI(), "kube-apiserver.crt"),
		"--tls-private-key-file=" + filepath.Join(l.PKI(), "kube-apiserver.key"),
		"--client-ca-file=" + filepath.Join(l.PKI(), "ca.crt"),
		"--kubelet-client-certificate=" + filepath.Join(l.PKI(), "kubelet-client.crt"),
		"--kubelet-client-key=" + filepath.Join(l.PKI(), "kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + filepath.Join(l.PKI(), "service-account.crt"),
		"--service-account-signing-key-file=" + filepath.Join(l.PKI(), "service-account.key"),
		"--service-cluster-ip-range=" + a.Services.String(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged",
		"--audit-policy-file=" + filepath.Join(l.Config(), "audit-policy.yaml"),
		"--audit-log-path=" + filepath.Join(l.Logs(), "audit.log"),
		"--audit-log-maxsize=200", "--audit-log-maxbackup=5", // MiB each
	}
}
