package host

import "syscall"

// nodeNamespaces are what separates the node from the host. The cgroup namespace stays the host's: the kubelet and runc
// name groups by their path in the hierarchy.
const nodeNamespaces = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC |
	syscall.CLONE_NEWUTS
