package main

import (
	"context"
	"fmt"
)

// sendByKubectl does the same with a manifest.
func (d *demo) sendByKubectl(ctx context.Context) error {
	const manifest = "config/samples/processingjob_configmap.yaml"
	say("The same with kubectl apply -f %s", manifest)
	// A ProcessingJob's spec does not change, so a second run makes it anew.
	if err := d.kubectl(ctx, "delete", "--ignore-not-found", "-f", manifest); err != nil {
		return err
	}
	if err := d.kubectl(ctx, "apply", "-f", manifest); err != nil {
		return err
	}
	if err := d.kubectl(ctx, "wait", "--for=condition=Finished", "--timeout=120s", "-f", manifest); err != nil {
		return err
	}
	fmt.Println()
	return d.kubectl(ctx, "get", "processingjobs")
}

func (d *demo) kubectl(ctx context.Context, args ...string) error {
	return d.command(ctx, "kubectl", append([]string{"--namespace", namespace}, args...)...)
}
