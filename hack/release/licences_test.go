package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a module with files in it.
func write(t *testing.T, files map[string]string) *licences {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &licences{module: module{Path: "example.com/m", Dir: dir}, text: map[string][]byte{}, visited: map[string]bool{}}
}

func TestLicences(t *testing.T) {
	own, err := os.ReadFile(filepath.Join(checkout, "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	apache := string(own)
	const mpl = "This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0. If a copy of the MPL " +
		"was not distributed with this file, You can obtain one at https://mozilla.org/MPL/2.0/."
	for _, c := range []struct {
		name, folder string
		files        map[string]string
		names, says  string
	}{
		{"in the folder above", "sub/pkg", map[string]string{"LICENSE": apache, "sub/pkg/a.go": ""}, "Apache-2.0", ""},
		{"nearest first", "sub", map[string]string{"LICENSE": apache, "sub/COPYING": mpl}, "", "sub/COPYING is under MPL-2.0"},
		{"none", ".", map[string]string{"a.go": ""}, "", "no licence file"},
		{"unknown", ".", map[string]string{"LICENSE.md": "Do what you like on Sundays, and nothing else at all."}, "", "read it"},
		{"code about licences", ".", map[string]string{"LICENSE": apache, "license.go": "package m"}, "Apache-2.0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := write(t, c.files)
			err := l.add(filepath.Join(l.module.Dir, c.folder))
			if c.says == "" && (err != nil || l.expression() != c.names) {
				t.Errorf("found %q, %v", l.expression(), err)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v, want one with %q", err, c.says)
			}
		})
	}
}

func TestChangesOf(t *testing.T) {
	const log = "# Changes\n\n## Unreleased\n\nSoon.\n\n## v1.0.0\n\nFirst.\n"
	for version, want := range map[string]string{
		"v1.0.0":     "## v1.0.0\n\nFirst.\n",
		"v1.1.0-dev": "## Unreleased\n\nSoon.\n",
	} {
		if got, err := changesOf(log, version); err != nil || got != want {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
	if _, err := changesOf(log, "v2.0.0"); err == nil {
		t.Error("a version that nobody wrote about has changes")
	}
}
