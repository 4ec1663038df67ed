package main

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	intoto "github.com/in-toto/attestation/go/v1"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
	"google.golang.org/protobuf/encoding/protojson"
)

const checkout = "../.."

// copyOfCheckout is the checkout's files in another folder, without its history.
func copyOfCheckout(t *testing.T) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = checkout
	names, err := list.Output()
	if err != nil {
		t.Skipf("needs a checkout: git ls-files: %v", err)
	}
	root := filepath.Join(t.TempDir(), "another", "place")
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(checkout, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// make runs a target for one program and one architecture, in a checkout.
func runMake(t *testing.T, root, target, out string, env ...string) {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(checkout, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "make", target, "BIN="+bin, "RELEASE="+out, "COMMANDS=brick", "ARCHS=amd64",
		"DESKTOP_PLATFORMS=", "CLIENTS=", "TAG=v9.9.9-dev", "COMMIT="+strings.Repeat("ab", 20), "EPOCH=1700000000")
	command.Dir = root
	command.Env = append(os.Environ(), env...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", target, err, output)
	}
}

// TestSameReleaseFromAnotherFolder: whoever builds the commit gets the same files.
func TestSameReleaseFromAnotherFolder(t *testing.T) {
	if _, err := os.Stat(filepath.Join(checkout, "bin", "helm")); err != nil {
		t.Skipf("needs bin/helm: %v", err)
	}
	another := copyOfCheckout(t)
	here, there := filepath.Join(t.TempDir(), "release"), filepath.Join(t.TempDir(), "elsewhere")
	runMake(t, checkout, "release", here)
	runMake(t, another, "release", there)
	want, err := sums(here)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sums(there)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s differs", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, then %d", len(want), len(got))
	}

	// Nothing of the build cache is needed for that.
	cold := filepath.Join(t.TempDir(), "cold")
	runMake(t, another, "programs", cold, "GOCACHE="+filepath.Join(t.TempDir(), "cache"))
	if digest, err := sum(filepath.Join(cold, "programs/brick-linux-amd64")); err != nil || digest != want["programs/brick-linux-amd64"] {
		t.Errorf("built from nothing, the program differs (%v)", err)
	}
	checkDescription(t, here, want)
}

// checkDescription holds what the release says about itself against its files.
func checkDescription(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for _, name := range []string{"programs/brick-linux-amd64", "images/brick.oci.tar", "bricklayers-9.9.9-dev.tgz",
		"bricklayers.yaml", "LICENCES.txt", "CHANGES.md", provenanceFile, checksumFile} {
		if files[name] == "" {
			t.Errorf("the release has no %s", name)
		}
	}
	var statement intoto.Statement
	content, err := os.ReadFile(filepath.Join(dir, provenanceFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(content, &statement); err != nil {
		t.Fatal(err)
	}
	for _, subject := range statement.Subject {
		if subject.Digest["sha256"] != files[subject.Name] {
			t.Errorf("the provenance has another digest for %s", subject.Name)
		}
	}
	if want := len(files) - 2; len(statement.Subject) != want {
		t.Errorf("the provenance is about %d files, want %d", len(statement.Subject), want)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--quiet", checksumFile)
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	checkBill(t, filepath.Join(dir, "programs/brick-linux-amd64.spdx.json"), files["programs/brick-linux-amd64"])
}

func checkBill(t *testing.T, path, digest string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var bill spdx.Document
	if err := json.Unmarshal(content, &bill); err != nil {
		t.Fatal(err)
	}
	if got := bill.Packages[0].PackageChecksums[0].Value; got != digest {
		t.Errorf("the bill is about another program, %s", got)
	}
	found := map[string]string{}
	for _, part := range bill.Packages {
		found[part.PackageName] = part.PackageLicenseConcluded
	}
	if found["stdlib"] != "BSD-3-Clause" || len(bill.Packages) < 3 {
		t.Errorf("the bill lists %v", found)
	}
	for name, licence := range found {
		if licence == unknown || licence == "" {
			t.Errorf("the bill does not know the licence of %s", name)
		}
	}
}
