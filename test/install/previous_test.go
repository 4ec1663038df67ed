package install_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var programs = []string{"manager", "gateway", "agent", "brick"}

// previousRelease is the release before this one, built from its commit.
type previousRelease struct {
	version, commit, source string
}

// checkOutPrevious puts the source of the previous release into a folder below bin. It is the commit of the tag or, in a
// clone without tags, the one that testdata/previous-release names.
func checkOutPrevious(t *testing.T) *previousRelease {
	t.Helper()
	content, err := os.ReadFile("test/install/testdata/previous-release")
	if err != nil {
		t.Fatal(err)
	}
	version, commit, ok := strings.Cut(strings.TrimSpace(string(content)), " ")
	if !ok {
		t.Fatalf("testdata/previous-release should have a version and a commit, has %q", content)
	}
	if tagged, err := git(t, "rev-parse", "--verify", "--quiet", "refs/tags/"+version+"^{commit}"); err == nil {
		commit = tagged
	}
	if _, err := git(t, "cat-file", "-e", commit+"^{commit}"); err != nil {
		t.Skipf("needs commit %s (%s), which a shallow clone has not: git fetch --unshallow", commit, version)
	}
	p := &previousRelease{version: version, commit: commit, source: filepath.Join("bin", "previous", commit)}
	if _, err := os.Stat(p.source); err == nil {
		return p
	}
	archive := filepath.Join(t.TempDir(), "source.tar")
	if _, err := git(t, "archive", "--output="+archive, commit); err != nil {
		t.Fatal(err)
	}
	partial := p.source + ".partial"
	if err := os.MkdirAll(partial, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", partial).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	if err := os.Rename(partial, p.source); err != nil {
		t.Fatal(err)
	}
	return p
}

func git(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", args...).Output()
	return strings.TrimSpace(string(out)), err
}

func (p *previousRelease) chart() string { return filepath.Join(p.source, "charts/bricklayers") }

// images builds the programs and packs them as the release was, if that was not done before.
func (p *previousRelease) images(ctx context.Context) ([]string, error) {
	var tarballs []string
	for _, name := range programs {
		tarball, err := filepath.Abs(filepath.Join(p.source, "bin", name+".tar"))
		if err != nil {
			return nil, err
		}
		tarballs = append(tarballs, tarball)
		if _, err := os.Stat(tarball); err == nil {
			continue
		}
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "disable_grpc_modules",
			"-ldflags", "-s -w -X bricklayers.dev/bricklayers/internal/version.Version="+p.version, "-o", "bin/"+name, "./cmd/"+name)
		build.Dir = p.source
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("failed to build %s of %s: %w\n%s", name, p.version, err, out)
		}
		pack := exec.CommandContext(ctx, "bin/packimage", "--binary", filepath.Join(p.source, "bin", name),
			"--name", "bricklayers.dev/"+name+":"+p.version, "--ca-certificates", "-o", tarball)
		if out, err := pack.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("failed to pack %s of %s: %w\n%s", name, p.version, err, out)
		}
	}
	return tarballs, nil
}
