package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences that a program under Apache-2.0 may contain without more than a notice. Whoever adds to this
// list has read the licence.
var allowed = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unlicense"}

const (
	programs = "./cmd/..."
	tags     = "disable_grpc_modules" // as in the Makefile
	certain  = 75.0                   // percent of a licence file that must be the text of known licences
)

// systems are those that programs are made for; each may bring modules of its own.
var systems = []string{"linux", "darwin", "windows"}

// licences are those of a module: the names, and the texts by file.
type licences struct {
	module  module
	names   []string
	text    map[string][]byte
	visited map[string]bool
}

type module struct {
	Path, Version, Dir string
	Main               bool
}

// findLicences reads the licence nearest to each package of the programs, and refuses what is not allowed. The result
// is sorted by module.
func findLicences(root string) ([]*licences, error) {
	var packages []goPackage
	for _, system := range systems {
		found, err := listPackages(root, system)
		if err != nil {
			return nil, err
		}
		packages = append(packages, found...)
	}
	found := map[string]*licences{}
	var errs []error
	for _, p := range packages {
		if p.Module == nil || p.Module.Main {
			continue
		}
		l := found[p.Module.Path]
		if l == nil {
			l = &licences{module: *p.Module, text: map[string][]byte{}, visited: map[string]bool{}}
			found[p.Module.Path] = l
		}
		if err := l.add(p.Dir); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	sorted := make([]*licences, 0, len(found))
	for _, path := range slices.Sorted(maps.Keys(found)) {
		sorted = append(sorted, found[path])
	}
	return sorted, nil
}

type goPackage struct {
	Dir    string
	Module *module
}

func listPackages(root, system string) ([]goPackage, error) {
	command := exec.Command("go", "list", "-deps", "-tags", tags, "-json=Dir,Module", programs)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// add reads the licence files of a package's folder or, when it has none, of the one above, up to the module's.
func (l *licences) add(dir string) error {
	for ; strings.HasPrefix(dir, l.module.Dir); dir = filepath.Dir(dir) {
		if l.visited[dir] {
			return nil
		}
		l.visited[dir] = true
		files, err := licenceFiles(dir)
		if err != nil {
			return err
		}
		if len(files) > 0 {
			return l.read(files)
		}
	}
	return fmt.Errorf("module %s has no licence file", l.module.Path)
}

func licenceFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		for _, prefix := range []string{"LICENSE", "LICENCE", "COPYING", "UNLICENSE"} {
			if strings.HasPrefix(name, prefix) && !entry.IsDir() && !strings.HasSuffix(name, ".GO") {
				files = append(files, filepath.Join(dir, entry.Name()))
			}
		}
	}
	return files, nil
}

func (l *licences) read(files []string) error {
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(l.module.Dir, file)
		if err != nil {
			return err
		}
		l.text[name] = content
		coverage := licensecheck.Scan(content)
		if coverage.Percent < certain {
			return fmt.Errorf("module %s: only %.0f %% of %s is a licence that is known; read it", l.module.Path,
				coverage.Percent, name)
		}
		for _, match := range coverage.Match {
			if match.IsURL {
				continue
			}
			if !slices.Contains(allowed, match.ID) {
				return fmt.Errorf("module %s: %s is under %s; allowed are %s", l.module.Path, name, match.ID,
					strings.Join(allowed, ", "))
			}
			if !slices.Contains(l.names, match.ID) {
				l.names = append(l.names, match.ID)
			}
		}
	}
	slices.Sort(l.names)
	return nil
}

// expression is the licence as SPDX writes it.
func (l *licences) expression() string { return strings.Join(l.names, " AND ") }

func summary(found []*licences) string {
	count := map[string]int{}
	for _, l := range found {
		count[l.expression()]++
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s", count[name], name))
	}
	return strings.Join(parts, ", ")
}

// pageLicences are those of the modules in the gateway's page, which its build collects.
const pageLicences = "internal/web/dist/licenses.txt"

// writeLicences puts all texts into one file, as most licences ask of whoever passes programs on.
func writeLicences(root string, found []*licences, path string) error {
	page, err := os.ReadFile(filepath.Join(root, pageLicences))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString("The programs of this release contain the modules below, each under the licence that follows it.\n")
	for _, l := range found {
		fmt.Fprintf(&out, "\n%s\n%s %s (%s)\n", strings.Repeat("=", 80), l.module.Path, l.module.Version, l.expression())
		for _, name := range slices.Sorted(maps.Keys(l.text)) {
			fmt.Fprintf(&out, "\n--- %s\n\n%s\n", name, bytes.TrimSpace(l.text[name]))
		}
	}
	fmt.Fprintf(&out, "\n%s\nThe gateway's page\n\n%s", strings.Repeat("=", 80), page)
	return os.WriteFile(path, out.Bytes(), 0o644)
}
