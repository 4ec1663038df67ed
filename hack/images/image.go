package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// caPath is where Go's crypto/x509 looks first on Linux.
const caPath = "etc/ssl/certs/ca-certificates.crt"

type imageSpec struct {
	binary   string
	user     string
	platform v1.Platform
	caFile   string // empty: the image trusts no certificate authority
}

// build makes the image. Layer and configuration hold no time of day and no host name, which keeps the digest the same.
func build(spec imageSpec) (v1.Image, error) {
	if err := requireStatic(spec.binary); err != nil {
		return nil, err
	}
	content, err := layerTar(spec)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.AppendLayers(image, layer)
	if err != nil {
		return nil, fmt.Errorf("append layer: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = spec.platform.OS, spec.platform.Architecture
	config.Config = v1.Config{
		User:       spec.user,
		WorkingDir: "/",
		Entrypoint: []string{"/" + filepath.Base(spec.binary)},
		Env:        []string{"PATH=/"},
	}
	return mutate.ConfigFile(image, config)
}

func layerTar(spec imageSpec) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	if err := addFile(writer, spec.binary, filepath.Base(spec.binary), 0o555); err != nil {
		return nil, err
	}
	if spec.caFile != "" {
		for _, dir := range parents(caPath) {
			header := tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}
			if err := writer.WriteHeader(&header); err != nil {
				return nil, err
			}
		}
		if err := addFile(writer, spec.caFile, caPath, 0o444); err != nil {
			return nil, fmt.Errorf("certificates (Debian: apt-get install ca-certificates): %w", err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

func addFile(writer *tar.Writer, from, to string, mode int64) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	header := tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: mode, Size: int64(len(content))}
	if err := writer.WriteHeader(&header); err != nil {
		return err
	}
	_, err = writer.Write(content)
	return err
}

// parents lists the folders above a slash-separated path, outermost first.
func parents(file string) []string {
	var dirs []string
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	return dirs
}

// requireStatic refuses a binary that needs a dynamic loader: in an empty image it would fail with a misleading
// "no such file or directory".
func requireStatic(binary string) error {
	file, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("program %s: %w", binary, err)
	}
	defer func() { _ = file.Close() }()
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP {
			return fmt.Errorf("program %s is dynamically linked; build it with CGO_ENABLED=0", binary)
		}
	}
	return nil
}
