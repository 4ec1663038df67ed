package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// program is one executable and what the Go linker wrote into it.
type program struct {
	path   string
	sha256 string
	info   *debug.BuildInfo
}

func readPrograms(dir string) ([]program, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []program
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if strings.HasSuffix(path, ".spdx.json") {
			continue // of an earlier run
		}
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(info.Settings, debug.BuildSetting{Key: "-trimpath", Value: "true"}) {
			return nil, fmt.Errorf("%s was built without -trimpath: it has paths of this machine in it", path)
		}
		sum, err := sum(path)
		if err != nil {
			return nil, err
		}
		all = append(all, program{path: path, sha256: sum, info: info})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there are no programs in %s", dir)
	}
	return all, nil
}

func sum(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:]), nil
}
