// Command packimage packs static Go binaries into a container image, without a container runtime: an empty base, one
// layer, and the configuration Kubernetes looks at. The same binary and flags give the same digest on every machine. Of
// several binaries, for one architecture each, it makes an image for all of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "packimage:", err)
		}
		os.Exit(1)
	}
}

// target is where the finished image goes; at least one of the three is set.
type target struct {
	reference name.Reference
	tarball   string
	layout    string
	push      bool
}

func run(ctx context.Context, args []string) error {
	specs, to, err := parse(args)
	if err != nil {
		return err
	}
	var images []v1.Image
	var platforms []*v1.Platform
	for _, spec := range specs {
		image, platform, err := build(spec)
		if err != nil {
			return fmt.Errorf("image %s: %w", to.reference, err)
		}
		images, platforms = append(images, image), append(platforms, platform)
	}
	if to.tarball != "" {
		if err := writeTarball(images[0], to); err != nil {
			return err
		}
	}
	if to.layout == "" && !to.push {
		return nil
	}
	index, err := buildIndex(images, platforms)
	if err != nil {
		return fmt.Errorf("image %s: %w", to.reference, err)
	}
	if to.layout != "" {
		if err := writeLayout(index, to); err != nil {
			return err
		}
	}
	if to.push {
		return push(ctx, index, to)
	}
	return nil
}

func parse(args []string) ([]imageSpec, target, error) {
	var binaries []string
	flags := flag.NewFlagSet("packimage", flag.ContinueOnError)
	flags.Func("binary", "static `program` to pack; its file name becomes /NAME and the entrypoint; once for each architecture",
		func(path string) error {
			binaries = append(binaries, path)
			return nil
		})
	folder := flags.String("folder", "", "put the program into this `folder` of the image, such as bin, instead of its root")
	reference := flags.String("name", "", "image `reference`, such as registry.example.com/manager:v1")
	user := flags.String("user", "65532:65532", "numeric `uid:gid` the container runs as")
	trust := flags.Bool("ca-certificates", false, "put in the certificate authorities of the web")
	output := flags.String("o", "", "write the image as a tarball to this `file`")
	layout := flags.String("layout", "", "write the image as an OCI layout to this `folder`, which must not exist")
	push := flags.Bool("push", false, "push the image to the registry its name says")
	if err := flags.Parse(args); err != nil {
		return nil, target{}, err
	}
	if flags.NArg() > 0 {
		return nil, target{}, fmt.Errorf("unexpected argument %q; every setting is a flag", flags.Arg(0))
	}
	if len(binaries) == 0 || *reference == "" {
		return nil, target{}, errors.New("--binary and --name are needed")
	}
	if *output == "" && *layout == "" && !*push {
		return nil, target{}, errors.New("say where the image goes: -o FILE, --layout FOLDER or --push")
	}
	if *output != "" && len(binaries) > 1 {
		return nil, target{}, errors.New("a tarball (-o) holds one image: give one --binary, or use --layout or --push")
	}
	ref, err := name.ParseReference(*reference)
	if err != nil {
		return nil, target{}, fmt.Errorf("--name: %w", err)
	}
	var specs []imageSpec
	for _, binary := range binaries {
		specs = append(specs, imageSpec{binary: binary, folder: *folder, user: *user, trust: *trust})
	}
	return specs, target{reference: ref, tarball: *output, layout: *layout, push: *push}, nil
}
