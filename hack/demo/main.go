// Command demo shows the product's main job on a cluster of this machine: it starts the cluster, installs the chart, and
// sends a print through it twice, by HTTP and by kubectl. It can be run again and again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

const (
	gatewayURL = "http://localhost:8000"
	managerURL = "http://localhost:8080"
	namespace  = "bricklayers-system"
)

func main() {
	cluster := flag.String("cluster", "cluster", "name of the cluster")
	tag := flag.String("tag", "", "tag of the images")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	d := &demo{cluster: *cluster, tag: *tag, kubeconfig: filepath.Join("bin", *cluster, "kubeconfig")}
	if err := d.run(ctx); err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "\ndemo: stopped; run `make demo` to go on, or `make cluster-down` to remove the cluster")
			os.Exit(130)
		}
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
}

type demo struct {
	cluster, tag, kubeconfig string
}

func (d *demo) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{d.startCluster, d.install, d.sendByHTTP, d.sendByKubectl} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	say("Now try")
	fmt.Printf(`   the gateway            curl -F file=@part.gcode %s/api/v1/upload
   the manager's metrics  curl %s/metrics
   the cluster            export KUBECONFIG=%s; bin/kubectl get processingjobs -A; bin/helm list -A
   and remove it all      make cluster-down
`, gatewayURL, managerURL, d.kubeconfig)
	return nil
}

func say(format string, args ...any) {
	fmt.Printf("\n== "+format+"\n", args...)
}

// command runs a program of bin/ against the cluster, its output on ours. Ctrl-C reaches it through the terminal.
func (d *demo) command(ctx context.Context, program string, args ...string) error {
	c := exec.CommandContext(ctx, filepath.Join("bin", program), args...)
	c.Env = append(os.Environ(), "KUBECONFIG="+d.kubeconfig)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", program, args[0], err)
	}
	return nil
}

func (d *demo) startCluster(ctx context.Context) error {
	say("Starting Kubernetes on this machine (about 20 s)")
	return d.command(ctx, "clusterctl", "up", "--name", d.cluster,
		"--forward", "127.0.0.1:8000="+namespace+"/bricklayers-gateway:8000",
		"--forward", "127.0.0.1:8080="+namespace+"/bricklayers-manager:8080")
}

func (d *demo) install(ctx context.Context) error {
	say("Loading the images and installing the chart")
	images, err := filepath.Glob("bin/images/*.tar")
	if err != nil {
		return err
	}
	if len(images) == 0 {
		return errors.New("there are no images in bin/images; run `make images`")
	}
	if err := d.command(ctx, "clusterctl", append([]string{"load", "--name", d.cluster}, images...)...); err != nil {
		return err
	}
	digest, err := digestOf(images)
	if err != nil {
		return err
	}
	// One manager, so that its metrics are always the leader's. The tag stays the same from run to run, so a digest of the images is what makes changed ones roll out.
	return d.command(ctx, "helm", "upgrade", "--install", "bricklayers", "charts/bricklayers",
		"--namespace", namespace, "--create-namespace", "--set", "image.tag="+d.tag,
		"--set", "manager.replicas=1", "--set", "manager.podAnnotations.images="+digest, "--set", "gateway.podAnnotations.images="+digest,
		"--wait", "--timeout", "3m")
}
