// Package addons is what every cluster has besides Kubernetes itself: cluster DNS and a default StorageClass.
package addons

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os/exec"
	"text/template"

	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
	"bricklayers.dev/bricklayers/hack/cluster/internal/storage"
)

//go:embed manifests
var manifests embed.FS

// CoreDNSImage is the name under which the build packs CoreDNS.
const CoreDNSImage = "bricklayers.dev/coredns:dev"

// Apply puts the add-ons into the cluster; it is repeatable.
func Apply(ctx context.Context, l layout.Layout, addresses layout.Addresses) error {
	parsed, err := template.ParseFS(manifests, "manifests/*.yaml")
	if err != nil {
		return err
	}
	values := struct {
		Addresses                 layout.Addresses
		CoreDNSImage, Provisioner string
	}{addresses, CoreDNSImage, storage.Provisioner}
	for _, manifest := range parsed.Templates() {
		var filled bytes.Buffer
		if err := manifest.Execute(&filled, values); err != nil {
			return err
		}
		kubectl := exec.CommandContext(ctx, l.Program("kubectl"), "--kubeconfig", l.Kubeconfig(),
			"apply", "--server-side", "-f", "-")
		kubectl.Stdin = &filled
		if output, err := kubectl.CombinedOutput(); err != nil {
			return fmt.Errorf("apply %s: %w: %s", manifest.Name(), err, bytes.TrimSpace(output))
		}
	}
	return nil
}
