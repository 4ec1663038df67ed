// Command gateway measures the gateway against floors of the same run, and ends with 1 when a bar is missed. It prints
// a line of JSON for each figure. It needs $KUBEBUILDER_ASSETS with etcd and kube-apiserver, as the integration tests do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// figure is one line of the result.
type figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Floor  float64 `json:"floor,omitempty"` // the same work by the least program that does it
	Ratio  float64 `json:"ratio,omitempty"` // value ÷ floor
	Bar    float64 `json:"bar,omitempty"`
	Missed bool    `json:"missed,omitempty"`
}

var errMissed = errors.New("a bar was missed")

func main() {
	if len(os.Args) > 1 && os.Args[1] == "floor" {
		exit(runFloor(os.Args[2]))
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

func run() (err error) {
	size := flag.Int64("size", 500<<20, "bytes of each upload of the throughput figures")
	many := flag.Int64("many-size", 20<<20, "bytes of each of 64 uploads at once")
	folder := flag.String("dir", "", "folder on the disk to measure on; default: a temporary one")
	flag.Parse()
	if *folder == "" {
		if *folder, err = os.MkdirTemp("", "bench-gateway-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(*folder) }()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	floor, err := startFloor(ctx, filepath.Join(*folder, "floor"))
	if err != nil {
		return err
	}
	gateway, stop, err := startGateway(ctx, *folder)
	if err != nil {
		return err
	}
	defer stop()
	missed := false
	report := func(f figure) error {
		missed = missed || f.Missed
		return json.NewEncoder(os.Stdout).Encode(f)
	}
	for _, measure := range []func() ([]figure, error){
		// First, because a process keeps what it once took.
		func() ([]figure, error) { return memory(ctx, gateway, *many) },
		func() ([]figure, error) { return throughput(ctx, gateway, floor, *size, 1) },
		func() ([]figure, error) { return throughput(ctx, gateway, floor, *size, 8) },
		func() ([]figure, error) { return lastByteToJob(ctx, gateway) },
		func() ([]figure, error) { return statusRate(ctx, gateway) },
	} {
		figures, err := measure()
		if err != nil {
			return err
		}
		for _, f := range figures {
			if err := report(f); err != nil {
				return err
			}
		}
	}
	if missed {
		return errMissed
	}
	return nil
}
