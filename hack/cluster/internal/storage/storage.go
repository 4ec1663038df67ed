// Package storage provisions persistent volumes: a folder of the node each. Kubernetes' own in-tree provisioner makes
// hostPath volumes, to which fsGroup does not apply, so that a container without root could not write to them.
package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Provisioner is the name a StorageClass uses.
const Provisioner = "bricklayers.dev/directory"

type directories struct{ root, node string }

// Run provisions volumes below root for the node until the context ends.
func Run(ctx context.Context, kubeconfig, root, node string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	controller.NewProvisionController(ctx, client, Provisioner, &directories{root: root, node: node},
		controller.LeaderElection(false)).Run(ctx)
	return ctx.Err()
}

// Provision makes the folder of one claim. The claim's size is noted, not enforced.
func (d *directories) Provision(_ context.Context, options controller.ProvisionOptions) (
	*corev1.PersistentVolume, controller.ProvisioningState, error) {
	path := d.path(options.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Past the umask: a pod that sets no fsGroup may write too.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   options.PVC.Spec.AccessModes,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{
						Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{d.node},
					}},
				}},
			}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes the folder with all that is in it.
func (d *directories) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	if volume.Spec.Local == nil || volume.Spec.Local.Path != d.path(volume.Name) {
		return fmt.Errorf("volume %s is not a folder of this node below %s", volume.Name, d.root)
	}
	return os.RemoveAll(volume.Spec.Local.Path)
}

func (d *directories) path(volume string) string { return filepath.Join(d.root, volume) }
