package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// referenceAnnotation is where an OCI layout keeps the name of an image, for whoever copies it to a registry.
const referenceAnnotation = "org.opencontainers.image.ref.name"

// writeTarball replaces the file in one step, so that an interrupted run leaves no half image to be loaded.
func writeTarball(image v1.Image, to target) error {
	digest, err := image.Digest()
	if err != nil {
		return fmt.Errorf("digest of %s: %w", to.reference, err)
	}
	if err := os.MkdirAll(filepath.Dir(to.tarball), 0o755); err != nil {
		return err
	}
	partial := to.tarball + ".partial"
	if err := tarball.WriteToFile(partial, to.reference, image); err != nil {
		return fmt.Errorf("write %s: %w", to.tarball, errors.Join(err, os.Remove(partial)))
	}
	if err := os.Rename(partial, to.tarball); err != nil {
		return err
	}
	fmt.Printf("%s@%s -> %s\n", to.reference, digest, to.tarball)
	return nil
}

func writeLayout(index v1.ImageIndex, to target) error {
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("digest of %s: %w", to.reference, err)
	}
	if _, err := os.Stat(to.layout); err == nil {
		return fmt.Errorf("%s exists; an OCI layout is written to a new folder", to.layout)
	}
	path, err := layout.Write(to.layout, empty.Index)
	if err != nil {
		return fmt.Errorf("write %s: %w", to.layout, err)
	}
	err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{referenceAnnotation: to.reference.Name()}))
	if err != nil {
		return fmt.Errorf("write %s: %w", to.layout, err)
	}
	fmt.Printf("%s@%s -> %s\n", to.reference, digest, to.layout)
	return nil
}

func push(ctx context.Context, index v1.ImageIndex, to target) error {
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("digest of %s: %w", to.reference, err)
	}
	err = remote.WriteIndex(to.reference, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return fmt.Errorf("push %s (log in with a registry client first if it asks for it): %w", to.reference, err)
	}
	fmt.Printf("%s@%s pushed\n", to.reference, digest)
	return nil
}
