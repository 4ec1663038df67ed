package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// program builds a small binary the way a product's is built.
func program(t *testing.T, environment ...string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "hello")
	command := exec.Command("go", "build", "-o", binary, source)
	command.Env = append(append(os.Environ(), "CGO_ENABLED=0"), environment...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	return binary
}

func TestTarball(t *testing.T) {
	output := filepath.Join(t.TempDir(), "new", "hello.tar")
	args := []string{"--binary", program(t, "GOARCH=arm64"), "--name", "example.com/hello:v1", "--ca-certificates", "-o", output}
	if err := run(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("example.com/hello:v1")
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(output, &tag)
	if err != nil {
		t.Fatal(err)
	}
	checkConfig(t, image, "arm64")
	want := map[string]int64{"hello": 0o555, "etc/": 0o755, "etc/ssl/": 0o755, "etc/ssl/certs/": 0o755,
		"etc/ssl/certs/ca-certificates.crt": 0o444}
	got := files(t, image)
	for path, mode := range want {
		if got[path] != mode {
			t.Errorf("%s has mode %o, want %o", path, got[path], mode)
		}
	}
	if len(got) != len(want) {
		t.Errorf("the image holds %v, want %v", got, want)
	}
}

func checkConfig(t *testing.T, image v1.Image, architecture string) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture != architecture {
		t.Errorf("platform %s/%s", config.OS, config.Architecture)
	}
	if config.Config.User != "65532:65532" || strings.Join(config.Config.Entrypoint, " ") != "/hello" {
		t.Errorf("user %q, entrypoint %q", config.Config.User, config.Config.Entrypoint)
	}
}

func files(t *testing.T, image v1.Image) map[string]int64 {
	t.Helper()
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	found := map[string]int64{}
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.ModTime.Unix() != 0 {
			t.Errorf("%s says when it was made: %s", header.Name, header.ModTime)
		}
		found[header.Name] = header.Mode
	}
}

func TestSameBytesEveryTime(t *testing.T) {
	binary := program(t)
	var sums [2][32]byte
	for i := range sums {
		output := filepath.Join(t.TempDir(), "image.tar")
		if err := run(t.Context(), []string{"--binary", binary, "--name", "example.com/hello:v1", "-o", output}); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(output)
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(content)
		// Another time of day must not show.
		if err := os.Chtimes(binary, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(sums[0][:], sums[1][:]) {
		t.Error("two runs gave two different tarballs")
	}
}

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	reference := strings.TrimPrefix(server.URL, "http://") + "/hello:v1"
	if err := run(t.Context(), []string{"--binary", program(t), "--name", reference, "--push"}); err != nil {
		t.Fatal(err)
	}
	parsed, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, image); got["hello"] != 0o555 {
		t.Errorf("the pushed image holds %v", got)
	}
}

// TestFolder: manifests of others may say where their image has its program.
func TestFolder(t *testing.T) {
	output := filepath.Join(t.TempDir(), "hello.tar")
	args := []string{"--binary", program(t), "--name", "example.com/hello:v1", "--folder", "/bin/", "-o", output}
	if err := run(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(output, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, image); len(got) != 2 || got["bin/"] != 0o755 || got["bin/hello"] != 0o555 {
		t.Errorf("the image holds %v", got)
	}
	config, err := image.ConfigFile()
	if err != nil || strings.Join(config.Config.Entrypoint, " ") != "/bin/hello" {
		t.Errorf("%v, %v", config, err)
	}
}

// TestLayout: an image for two architectures, which a client chooses from.
func TestLayout(t *testing.T) {
	output := filepath.Join(t.TempDir(), "hello")
	args := []string{"--binary", program(t), "--binary", program(t, "GOARCH=arm64"), "--name", "example.com/hello:v1",
		"--layout", output}
	if err := run(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	root, err := layout.ImageIndexFromPath(output)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(root); err != nil {
		t.Error(err)
	}
	manifest, err := root.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%v, %v", manifest, err)
	}
	if got := manifest.Manifests[0].Annotations[referenceAnnotation]; got != "example.com/hello:v1" {
		t.Errorf("the layout names the image %q", got)
	}
	index, err := root.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		found, err := partial.FindImages(index, match.Platforms(v1.Platform{OS: "linux", Architecture: architecture}))
		if err != nil || len(found) != 1 {
			t.Fatalf("%d images for %s, %v", len(found), architecture, err)
		}
		checkConfig(t, found[0], architecture)
	}
	if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a second image was written over the first: %v", err)
	}
}

// TestAuthorities: what an image trusts is what Go's own pool can read, and some of it.
func TestAuthorities(t *testing.T) {
	pool := x509.NewCertPool()
	if content := authorities(); !pool.AppendCertsFromPEM(content) || bytes.Count(content, []byte("BEGIN")) < 100 {
		t.Errorf("%d authorities", bytes.Count(content, []byte("BEGIN")))
	}
}

func TestRefused(t *testing.T) {
	binary, other := program(t), program(t, "GOARCH=riscv64")
	for _, test := range []struct{ args, want string }{
		{"", "--binary and --name are needed"},
		{"--binary B --name x:v1", "say where the image goes"},
		{"--binary B --name X:v1 -o F", "--name"},
		{"--binary B --binary B --name x:v1 -o F", "a tarball (-o) holds one image"},
		{"--binary B --binary B --name x:v1 --layout F", "two programs are for linux/amd64"},
		{"--binary B --name x:v1 -o F more", "unexpected argument"},
		{"--binary /nowhere --name x:v1 -o F", "/nowhere"},
		{"--binary R --name x:v1 -o F", "GOARCH=amd64 or arm64"},
		{"--binary /bin/sh --name x:v1 -o F", "CGO_ENABLED=0"},
	} {
		t.Run(test.args, func(t *testing.T) {
			args := strings.Fields(test.args)
			for i := range args {
				switch args[i] {
				case "B":
					args[i] = binary
				case "R":
					args[i] = other
				case "F":
					args[i] = filepath.Join(t.TempDir(), "image.tar")
				}
			}
			err := run(t.Context(), args)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that contains %q", err, test.want)
			}
		})
	}
}
