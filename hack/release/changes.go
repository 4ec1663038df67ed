package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeChanges takes the part about this version out of CHANGELOG.md.
func (r *release) writeChanges() error {
	changelog, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	changes, err := changesOf(string(changelog), r.version)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, "CHANGES.md"), []byte(changes), 0o644)
}

// changesOf returns the section of a version. A version that is still being made (-dev) has the one that is not released.
func changesOf(changelog, version string) (string, error) {
	heading := "## " + version
	if strings.HasSuffix(version, "-dev") {
		heading = "## Unreleased"
	}
	_, rest, found := strings.Cut("\n"+changelog, "\n"+heading)
	if !found {
		return "", fmt.Errorf("CHANGELOG.md has no heading %q", heading)
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	return heading + strings.TrimRight(section, "\n") + "\n", nil
}
