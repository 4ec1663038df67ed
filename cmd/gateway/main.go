// Command gateway serves the HTTP API, and the jobs' pods on a second port.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"bricklayers.dev/bricklayers/internal/cleanup"
	"bricklayers.dev/bricklayers/internal/gateway"
)

func main() {
	if err := run(ctrl.SetupSignalHandler(), os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "gateway: %v\n", err)
		os.Exit(1)
	}
}

type options struct {
	address, podAddress, metricsAddress string
	bucket                              string
	uploadMemory                        int64
	leaderElect                         bool
	leaseNamespace                      string
	gateway                             gateway.Options
	cleanup                             cleanup.Options
	log                                 zap.Options
}

func parseFlags(args []string) (*options, error) {
	o := &options{}
	maxUpload, maxOutput, memory := resource.MustParse("512Mi"), resource.MustParse("2Gi"), resource.MustParse("64Mi")
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.StringVar(&o.address, "bind-address", ":8000", "address of the HTTP API")
	flags.StringVar(&o.podAddress, "pod-bind-address", ":8001", "address for the pods of jobs")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "",
		"address of /metrics; empty serves it with the HTTP API, 0 not at all")
	flags.StringVar(&o.bucket, "bucket", "file:///var/lib/bricklayers",
		"address of the bucket: file:///FOLDER, s3://NAME, gs://NAME or azblob://NAME")
	flags.Var(quantity{&memory}, "upload-memory",
		"memory that uploads under way may hold together; 15Mi each on S3, and none with a file:// bucket")
	flags.StringVar(&o.gateway.Namespace, "namespace", defaultNamespace(), "namespace of the jobs that uploads make")
	flags.StringVar(&o.gateway.DefaultProcessor, "default-processor", "brick", "Processor of an upload that names none")
	flags.Var(quantity{&maxUpload}, "max-upload-size", "largest upload")
	flags.Var(quantity{&maxOutput}, "max-output-size", "largest output file of a job")
	flags.DurationVar(&o.gateway.UploadTimeout, "upload-timeout", time.Hour, "how long one upload may take")
	flags.BoolVar(&o.gateway.ListJobs, "list-jobs", false,
		"serve GET /api/v1/jobs to anybody, who may then read every job that is listed")
	flags.DurationVar(&o.gateway.ResumableLifetime, "resumable-upload-lifetime", 24*time.Hour,
		"how long a resumable upload may take, all its requests and pauses together")
	flags.BoolVar(&o.gateway.RedirectDownloads, "redirect-downloads", true,
		"send downloads to a signed address of the bucket, where it has such")
	flags.BoolVar(&o.gateway.RedirectPods, "redirect-pods", true, "the same for the pods of jobs")
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "let only one of several gateways sweep the bucket")
	flags.StringVar(&o.leaseNamespace, "lease-namespace", defaultNamespace(), "namespace of the lease for that")
	flags.DurationVar(&o.cleanup.Interval, "sweep-interval", 10*time.Minute, "pause between two sweeps of the bucket")
	flags.DurationVar(&o.cleanup.GracePeriod, "sweep-grace-period", 2*time.Hour,
		"age below which a sweep deletes nothing; must be longer than --upload-timeout")
	flags.BoolVar(&o.cleanup.DryRun, "sweep-dry-run", false, "only log what a sweep would delete")
	o.log.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.uploadMemory = memory.Value()
	o.gateway.MaxUploadSize, o.gateway.MaxOutputSize = maxUpload.Value(), maxOutput.Value()
	return o, o.check(flags.Args())
}

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.gateway.MaxUploadSize <= 0 || o.gateway.MaxOutputSize <= 0:
		return errors.New("--max-upload-size and --max-output-size must be more than 0")
	case o.gateway.UploadTimeout <= 0 || o.gateway.ResumableLifetime <= 0 || o.cleanup.Interval <= 0:
		return errors.New("--upload-timeout, --resumable-upload-lifetime and --sweep-interval must be more than 0")
	case o.cleanup.GracePeriod <= o.gateway.UploadTimeout:
		return fmt.Errorf(
			"--sweep-grace-period (%s) must be longer than --upload-timeout (%s), or a sweep could take a file "+
				"for left over while its job is being made", o.cleanup.GracePeriod, o.gateway.UploadTimeout)
	case o.leaderElect && o.leaseNamespace == "":
		return errors.New("--leader-elect needs --lease-namespace or $POD_NAMESPACE")
	}
	return nil
}

func defaultNamespace() string {
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	return "default"
}

// quantity is a flag such as 512Mi.
type quantity struct{ *resource.Quantity }

func (q quantity) Set(text string) error {
	parsed, err := resource.ParseQuantity(text)
	if err != nil {
		return fmt.Errorf("%q is no size such as 512Mi: %w", text, err)
	}
	*q.Quantity = parsed
	return nil
}

func (q quantity) String() string {
	if q.Quantity == nil {
		return ""
	}
	return q.Quantity.String()
}

func run(ctx context.Context, args []string) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.log)))
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	return serve(ctx, o, config)
}
