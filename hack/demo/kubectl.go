package main

import "context"

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
	if err := d.kubectl(ctx, "wait", "--for=condition=Finished", "--timeout=120s", "processingjob/tube"); err != nil {
		return err
	}
	say("kubectl get processingjobs")
	return d.kubectl(ctx, "get", "processingjobs")
}

func (d *demo) kubectl(ctx context.Context, args ...string) error {
	return d.command(ctx, "kubectl", append([]string{"--namespace", namespace}, args...)...)
}
