// Command packimage packs one static Go binary into a container image, without a container runtime: an empty base, one
// layer, and the configuration Kubernetes looks at. The same binary and flags give the same digest on every machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
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

// target is where the finished image goes; at least one of the two is set.
type target struct {
	reference name.Reference
	tarball   string
	push      bool
}

func run(ctx context.Context, args []string) error {
	spec, to, err := parse(args)
	if err != nil {
		return err
	}
	image, err := build(spec)
	if err != nil {
		return fmt.Errorf("image %s: %w", to.reference, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return fmt.Errorf("digest of %s: %w", to.reference, err)
	}
	if to.tarball != "" {
		if err := writeTarball(image, to); err != nil {
			return err
		}
		fmt.Printf("%s@%s -> %s\n", to.reference, digest, to.tarball)
	}
	if to.push {
		err := remote.Write(to.reference, image, remote.WithContext(ctx),
			remote.WithAuthFromKeychain(authn.DefaultKeychain))
		if err != nil {
			return fmt.Errorf("push %s (log in with a registry client first if it asks for it): %w", to.reference, err)
		}
		fmt.Printf("%s@%s pushed\n", to.reference, digest)
	}
	return nil
}

func parse(args []string) (imageSpec, target, error) {
	flags := flag.NewFlagSet("packimage", flag.ContinueOnError)
	binary := flags.String("binary", "", "static `program` to pack; its file name becomes /NAME and the entrypoint")
	reference := flags.String("name", "", "image `reference`, such as registry.example.com/manager:v1")
	user := flags.String("user", "65532:65532", "numeric `uid:gid` the container runs as")
	platform := flags.String("platform", "linux/amd64", "`os/arch` the binary was built for")
	caFile := flags.String("ca-certificates", "", "PEM `file` to install as the system's trusted certificates")
	output := flags.String("o", "", "write the image as a tarball to this `file`")
	push := flags.Bool("push", false, "push the image to the registry its name says")
	if err := flags.Parse(args); err != nil {
		return imageSpec{}, target{}, err
	}
	if flags.NArg() > 0 {
		return imageSpec{}, target{}, fmt.Errorf("unexpected argument %q; every setting is a flag", flags.Arg(0))
	}
	if *binary == "" || *reference == "" {
		return imageSpec{}, target{}, errors.New("--binary and --name are needed")
	}
	if *output == "" && !*push {
		return imageSpec{}, target{}, errors.New("say where the image goes: -o FILE, --push, or both")
	}
	ref, err := name.ParseReference(*reference)
	if err != nil {
		return imageSpec{}, target{}, fmt.Errorf("--name: %w", err)
	}
	parsed, err := v1.ParsePlatform(*platform)
	if err != nil {
		return imageSpec{}, target{}, fmt.Errorf("--platform: %w", err)
	}
	spec := imageSpec{binary: *binary, user: *user, platform: *parsed, caFile: *caFile}
	return spec, target{reference: ref, tarball: *output, push: *push}, nil
}

// writeTarball replaces the file in one step, so that an interrupted run leaves no half image to be loaded.
func writeTarball(image v1.Image, to target) error {
	if err := os.MkdirAll(filepath.Dir(to.tarball), 0o755); err != nil {
		return err
	}
	partial := to.tarball + ".partial"
	if err := tarball.WriteToFile(partial, to.reference, image); err != nil {
		return fmt.Errorf("write %s: %w", to.tarball, errors.Join(err, os.Remove(partial)))
	}
	return os.Rename(partial, to.tarball)
}
