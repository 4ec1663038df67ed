package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/pem"
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
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// caPath is where Go's crypto/x509 looks first on Linux.
const caPath = "etc/ssl/certs/ca-certificates.crt"

type imageSpec struct {
	binary string
	folder string // of the image, that the program is put into; "" is the root
	user   string
	trust  bool // put in the certificate authorities of the web
}

// program is where the image has its program, relative to the root.
func (s imageSpec) program() string { return path.Join("/", s.folder, filepath.Base(s.binary))[1:] }

// machines are the architectures that a program may be for, by what its ELF header says.
var machines = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}

// build makes the image. Layer and configuration hold no time of day and no host name, which keeps the digest the same.
func build(spec imageSpec) (v1.Image, *v1.Platform, error) {
	platform, err := platformOf(spec.binary)
	if err != nil {
		return nil, nil, err
	}
	content, err := layerTar(spec)
	if err != nil {
		return nil, nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, nil, fmt.Errorf("layer: %w", err)
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.AppendLayers(image, layer)
	if err != nil {
		return nil, nil, fmt.Errorf("append layer: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = platform.OS, platform.Architecture
	config.Config = v1.Config{
		User:       spec.user,
		WorkingDir: "/",
		Entrypoint: []string{"/" + spec.program()},
		Env:        []string{"PATH=/"},
	}
	image, err = mutate.ConfigFile(image, config)
	return image, platform, err
}

// buildIndex makes an index of one image for each platform.
func buildIndex(images []v1.Image, platforms []*v1.Platform) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	seen := map[string]bool{}
	for i, image := range images {
		if name := platforms[i].String(); seen[name] {
			return nil, fmt.Errorf("two programs are for %s", name)
		} else {
			seen[name] = true
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: platforms[i]},
		})
	}
	return index, nil
}

func layerTar(spec imageSpec) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	if err := addParents(writer, spec.program()); err != nil {
		return nil, err
	}
	if err := addFile(writer, spec.binary, spec.program(), 0o555); err != nil {
		return nil, err
	}
	if spec.trust {
		if err := addParents(writer, caPath); err != nil {
			return nil, err
		}
		if err := addContent(writer, authorities(), caPath, 0o444); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

// addParents adds the folders above a file.
func addParents(writer *tar.Writer, file string) error {
	for _, dir := range parents(file) {
		header := tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}
		if err := writer.WriteHeader(&header); err != nil {
			return err
		}
	}
	return nil
}

func addFile(writer *tar.Writer, from, to string, mode int64) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return addContent(writer, content, to, mode)
}

func addContent(writer *tar.Writer, content []byte, to string, mode int64) error {
	header := tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: mode, Size: int64(len(content))}
	if err := writer.WriteHeader(&header); err != nil {
		return err
	}
	_, err := writer.Write(content)
	return err
}

// authorities are Mozilla's, as the module of that version has them, so that they are the same on every machine. Those
// trusted for a part of their certificates only are left out: a PEM file cannot say for which.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return out.Bytes()
}

// parents lists the folders above a slash-separated path, outermost first.
func parents(file string) []string {
	var dirs []string
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	return dirs
}

// platformOf reads what a program was built for. It refuses one that needs a dynamic loader: in an empty image that would
// fail with a misleading "no such file or directory".
func platformOf(binary string) (*v1.Platform, error) {
	file, err := elf.Open(binary)
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", binary, err)
	}
	defer func() { _ = file.Close() }()
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("program %s is dynamically linked; build it with CGO_ENABLED=0", binary)
		}
	}
	architecture, known := machines[file.Machine]
	if !known {
		return nil, fmt.Errorf("program %s is for %s; build it with GOARCH=amd64 or arm64", binary, file.Machine)
	}
	return &v1.Platform{OS: "linux", Architecture: architecture}, nil
}
