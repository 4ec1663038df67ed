package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"bricklayers.dev/bricklayers/internal/cleanup"
	"bricklayers.dev/bricklayers/internal/gateway"
	"bricklayers.dev/bricklayers/internal/queueapi"
)

type options struct {
	address, podAddress, metricsAddress string
	bucket                              string
	auth                                string
	metricsAuth                         bool
	webhooksEverywhere                  bool
	uploadMemory                        int64
	leaderElect                         bool
	leaseNamespace                      string
	gateway                             gateway.Options
	cleanup                             cleanup.Options
	log                                 zap.Options
}

func parseFlags(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	o.bindAddresses(flags)
	o.bindFiles(flags)
	o.bindAccess(flags)
	o.bindLimits(flags)
	o.bindWebhooks(flags)
	o.bindCleanup(flags)
	o.log.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.gateway.Authenticate = o.auth == authKubernetes
	return o, o.check(flags.Args())
}

func (o *options) bindAddresses(flags *flag.FlagSet) {
	flags.StringVar(&o.address, "bind-address", ":8000", "address of the HTTP API")
	flags.StringVar(&o.podAddress, "pod-bind-address", ":8001", "address for the pods of jobs")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "",
		"address of /metrics; empty serves it with the HTTP API, 0 not at all")
	flags.BoolVar(&o.metricsAuth, "metrics-auth", false,
		"let only who sends a token of the cluster and may get the path /metrics read metrics, over TLS; "+
			"needs --metrics-bind-address")
	flags.Func("queue-url", "address of the manager's queue, such as http://bricklayers-manager:8082, to tell clients how "+
		"long their jobs wait; by default they are not told", func(address string) error {
		client, err := queueapi.NewClient(address)
		if err == nil {
			o.gateway.AskQueue = client.Waiting
		}
		return err
	})
}

// bindFiles adds the flags about uploads, downloads and where they are kept.
func (o *options) bindFiles(flags *flag.FlagSet) {
	flags.StringVar(&o.bucket, "bucket", "file:///var/lib/bricklayers",
		"address of the bucket: file:///FOLDER, s3://NAME, gs://NAME or azblob://NAME")
	o.uploadMemory = 128 << 20
	flags.Var((*size)(&o.uploadMemory), "upload-memory",
		"memory that files on their way to the bucket may hold together, 15Mi each, a quarter of it for results; none with a "+
			"file:// bucket")
	flags.StringVar(&o.gateway.DefaultProcessor, "default-processor", "brick", "Processor of an upload that names none")
	o.gateway.MaxUploadSize, o.gateway.MaxOutputSize = 512<<20, 2<<30
	flags.Var((*size)(&o.gateway.MaxUploadSize), "max-upload-size", "largest upload")
	flags.Var((*size)(&o.gateway.MaxOutputSize), "max-output-size", "largest output file of a job")
	flags.DurationVar(&o.gateway.UploadTimeout, "upload-timeout", time.Hour, "how long one upload may take")
	flags.DurationVar(&o.gateway.ResumableLifetime, "resumable-upload-lifetime", 24*time.Hour,
		"how long a resumable upload may take, all its requests and pauses together")
	flags.BoolVar(&o.gateway.RedirectDownloads, "redirect-downloads", true,
		"send downloads to a signed address of the bucket, where it has such")
	flags.BoolVar(&o.gateway.InputURLs, "input-urls", true,
		"make jobs of links, too, which their pods fetch from public https addresses")
	flags.BoolVar(&o.gateway.RedirectPods, "redirect-pods", true, "the same for the pods of jobs")
}

// The values of --auth.
const (
	authNone       = "none"
	authKubernetes = "kubernetes"
)

// bindAccess adds the flags that say who may do what.
func (o *options) bindAccess(flags *flag.FlagSet) {
	flags.StringVar(&o.gateway.Namespace, "namespace", defaultNamespace(), "namespace of the jobs that uploads make")
	flags.StringVar(&o.auth, "auth", authNone, "who may use the API: with none everybody, who may read the jobs whose id "+
		"they know; with kubernetes who sends a token of the cluster and may create, get, list or delete ProcessingJobs")
	flags.BoolVar(&o.gateway.AllNamespaces, "all-namespaces", false,
		"serve every namespace that a request names, not --namespace alone; needs --auth=kubernetes")
	flags.BoolVar(&o.gateway.ListJobs, "list-jobs", false,
		"without --auth serve GET /api/v1/jobs to everybody, who may then read every job that is listed")
}

// bindLimits adds the flags that say how much one may do and keep.
func (o *options) bindLimits(flags *flag.FlagSet) {
	flags.Float64Var(&o.gateway.Rate, "client-rate", 0,
		"requests that a client may send per second in the long run; 0 for no limit. A client is a user, or without "+
			"--auth an address; each replica counts for itself")
	flags.IntVar(&o.gateway.Burst, "client-burst", 100, "requests that it may send at once after a pause")
	flags.IntVar(&o.gateway.Concurrency, "client-concurrency", 0,
		"requests of a client at the same time, streams of events and uploads included; 0 for no limit")
	flags.Var((*prefixes)(&o.gateway.TrustedProxies), "trusted-proxies",
		"ranges, such as 10.0.0.0/8,fd00::/8, whose X-Forwarded-For is believed")
	flags.IntVar(&o.gateway.Quota.Jobs, "quota-jobs", 0,
		"uploads are refused in a namespace that has so many ProcessingJobs; 0 for no limit")
	flags.Var((*size)(&o.gateway.Quota.Bytes), "quota-bytes",
		"uploads are refused in a namespace whose uploads and results take more than this; 0 for no limit")
}

func (o *options) bindWebhooks(flags *flag.FlagSet) {
	flags.Var((*words)(&o.gateway.Webhooks.Hosts), "webhook-hosts",
		"hosts, such as example.com,*.example.org, to which a finished job's webhook may go; none allows no webhooks")
	flags.StringVar(&o.gateway.Webhooks.SecretFile, "webhook-secret-file", "",
		"file with the secrets that webhooks are signed with, whsec_ and Base64, one on each line")
	flags.Var((*prefixes)(&o.gateway.Webhooks.Guard.Allow), "webhook-allow-cidrs",
		"ranges, such as 10.0.0.0/8, inside which a webhook's host may be although they are private")
	flags.BoolVar(&o.webhooksEverywhere, "webhook-all-namespaces", false,
		"tell the webhooks of the jobs of every namespace, not of those that it serves alone; it then watches them all")
}

func (o *options) bindCleanup(flags *flag.FlagSet) {
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "let only one of several gateways sweep the bucket and tell webhooks")
	flags.StringVar(&o.leaseNamespace, "lease-namespace", defaultNamespace(), "namespace of the lease for that")
	flags.DurationVar(&o.cleanup.Interval, "sweep-interval", 10*time.Minute, "pause between two sweeps of the bucket")
	flags.DurationVar(&o.cleanup.GracePeriod, "sweep-grace-period", 2*time.Hour,
		"age below which a sweep deletes nothing; must be longer than --upload-timeout")
	flags.BoolVar(&o.cleanup.DryRun, "sweep-dry-run", false, "only log what a sweep would delete")
}

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.auth != authNone && o.auth != authKubernetes:
		return fmt.Errorf("--auth is %q; it must be %s or %s", o.auth, authNone, authKubernetes)
	case o.metricsAuth && o.metricsAddress == "":
		return errors.New("--metrics-auth needs --metrics-bind-address: the HTTP API's port is for everybody")
	case o.gateway.AllNamespaces && o.auth == authNone:
		return errors.New("--all-namespaces needs --auth=kubernetes: without it, everybody could use every namespace")
	case o.gateway.Rate < 0 || o.gateway.Burst < 1 || o.gateway.Concurrency < 0:
		return errors.New("--client-rate and --client-concurrency must not be less than 0, --client-burst not less than 1")
	case o.gateway.Quota.Jobs < 0 || o.gateway.Quota.Bytes < 0:
		return errors.New("--quota-jobs and --quota-bytes must not be less than 0")
	case o.gateway.MaxUploadSize <= 0 || o.gateway.MaxOutputSize <= 0:
		return errors.New("--max-upload-size and --max-output-size must be more than 0")
	case o.gateway.UploadTimeout <= 0 || o.gateway.ResumableLifetime <= 0 || o.cleanup.Interval <= 0:
		return errors.New("--upload-timeout, --resumable-upload-lifetime and --sweep-interval must be more than 0")
	case o.cleanup.GracePeriod <= o.gateway.UploadTimeout:
		return fmt.Errorf(
			"--sweep-grace-period (%s) must be longer than --upload-timeout (%s), or a sweep could take a file "+
				"for left over while its job is being made", o.cleanup.GracePeriod, o.gateway.UploadTimeout)
	case o.gateway.Webhooks.Validate() != nil:
		return fmt.Errorf("--webhook-hosts or --webhook-secret-file: %w", o.gateway.Webhooks.Validate())
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

// size is a flag such as 512Mi, in bytes.
type size int64

func (s *size) Set(text string) error {
	parsed, err := resource.ParseQuantity(text)
	if err != nil {
		return fmt.Errorf("%q is no size such as 512Mi: %w", text, err)
	}
	*s = size(parsed.Value())
	return nil
}

func (s *size) String() string {
	if s == nil {
		return ""
	}
	return resource.NewQuantity(int64(*s), resource.BinarySI).String()
}

// words is a flag such as a,b.
type words []string

func (w *words) Set(text string) error {
	*w = nil
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			*w = append(*w, word)
		}
	}
	return nil
}

func (w *words) String() string {
	if w == nil {
		return ""
	}
	return strings.Join(*w, ",")
}

// prefixes is a flag such as 10.0.0.0/8,fd00::/8.
type prefixes []netip.Prefix

func (p *prefixes) Set(text string) error {
	*p = nil
	for part := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("%q is no range such as 10.0.0.0/8: %w", part, err)
		}
		*p = append(*p, prefix.Masked())
	}
	return nil
}

func (p *prefixes) String() string {
	if p == nil {
		return ""
	}
	return strings.Trim(fmt.Sprint([]netip.Prefix(*p)), "[]")
}
