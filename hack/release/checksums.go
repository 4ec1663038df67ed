package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const checksumFile = "SHA256SUMS"

// checksums are the SHA-256 of every file of the release but those that speak about the others.
func checksums(dir string) (map[string]string, error) {
	return sums(dir, checksumFile, provenanceFile)
}

func sums(dir string, without ...string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || slices.Contains(without, name) {
			return err
		}
		files[name], err = sum(path)
		return err
	})
	return files, err
}

// writeChecksums writes what `sha256sum --check` reads.
func writeChecksums(dir string) error {
	files, err := sums(dir, checksumFile)
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&out, "%s  %s\n", files[name], name)
	}
	return os.WriteFile(filepath.Join(dir, checksumFile), []byte(out.String()), 0o644)
}
