// Command gateway measures the gateway against floors of the same run, and ends with 1 when a bar is missed. It prints
// a line of JSON for each figure. It needs $KUBEBUILDER_ASSETS with etcd and kube-apiserver, as the integration tests do,
// and bin/versitygw for what is measured on S3. Debian's nginx is a floor where it is installed; without it that figure
// is left out.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"bricklayers.dev/bricklayers/test/perf/figure"
)

func main() {
	if len(os.Args) == 3 && servants[os.Args[1]] != nil {
		exit(serveFloor(servants[os.Args[1]], os.Args[2]))
	}
	exit(run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench gateway: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is what all measurements share.
type bench struct {
	figure.Printer
	*control
	folder   string // on the disk to measure on
	size     int64  // bytes of a file of the throughput figures
	manySize int64  // bytes of each of many uploads at once
}

// measurements each have gateways of their own: a process keeps the memory that it once took.
var measurements = []struct {
	name string
	take func(context.Context, *bench) error
}{
	{"memory-file", memoryToFile},
	{"memory-s3", memoryToS3},
	{"temporary", temporaryBytes},
	{"throughput", uploadThroughput},
	{"resumable", resumableThroughput},
	{"download", downloadThroughput},
	{"last-byte", lastByteToJob},
	{"slow", slowConnections},
	{"status", statusRate},
}

func run() (err error) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains that there is none
	b := &bench{}
	flag.Int64Var(&b.size, "size", 500<<20, "bytes of each file of the throughput figures")
	flag.Int64Var(&b.manySize, "many-size", 20<<20, "bytes of each of 64 uploads at once")
	flag.StringVar(&b.folder, "dir", "", "folder on the disk to measure on; default: a temporary one")
	only := flag.String("run", "", "measure only what matches this regular expression")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if b.folder == "" {
		if b.folder, err = os.MkdirTemp("", "bench-gateway-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(b.folder) }()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if b.control, err = startControl(ctx, b.folder); err != nil {
		return err
	}
	defer b.control.stop()
	for _, m := range measurements {
		if !wanted.MatchString(m.name) {
			continue
		}
		if err := m.take(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return b.Err()
}
