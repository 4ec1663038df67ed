// Command release says what is in a release: for each program a bill of materials (SPDX), for all of it the licences, the
// provenance (SLSA, in-toto), the changes and the checksums. It also checks that every module in the programs has a
// licence that the project may pass on and no known vulnerability. What it writes depends on its input alone.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "release:", err)
		}
		os.Exit(1)
	}
}

const usage = "say what to do: licences, vulnerabilities or describe"

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet("release "+args[0], flag.ContinueOnError)
	root := flags.String("root", ".", "the checkout")
	var r release
	switch args[0] {
	case "licences":
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		found, err := findLicences(*root)
		if err != nil {
			return err
		}
		fmt.Printf("%d modules: %s\n", len(found), summary(found))
		return nil
	case "vulnerabilities":
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return checkVulnerabilities(*root)
	case "describe":
		flags.StringVar(&r.dir, "dir", "", "`folder` of the release, with programs in it")
		flags.StringVar(&r.version, "version", "", "`version` of the release, such as v1.2.3")
		flags.StringVar(&r.commit, "commit", "", "`commit` that it was built from")
		flags.StringVar(&r.source, "source", "git+https://bricklayers.dev/bricklayers", "`address` of the repository")
		epoch := flags.Int64("epoch", 0, "time of the commit, in `seconds` since 1970")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		if r.dir == "" || r.version == "" || r.commit == "" || *epoch == 0 {
			return errors.New("--dir, --version, --commit and --epoch are needed")
		}
		r.root, r.made = *root, time.Unix(*epoch, 0).UTC()
		return r.describe()
	default:
		return fmt.Errorf("%q is nothing to do; %s", args[0], usage)
	}
}

// release is a folder of files, and where they come from.
type release struct {
	root, dir, version, commit, source string
	made                               time.Time
}

func (r *release) describe() error {
	licences, err := findLicences(r.root)
	if err != nil {
		return err
	}
	programs, err := readPrograms(filepath.Join(r.dir, "programs"))
	if err != nil {
		return err
	}
	for _, p := range programs {
		if err := writeJSON(p.path+".spdx.json", r.bill(p, licences)); err != nil {
			return err
		}
	}
	if err := writeLicences(r.root, licences, filepath.Join(r.dir, "LICENCES.txt")); err != nil {
		return err
	}
	if err := r.writeChanges(); err != nil {
		return err
	}
	files, err := checksums(r.dir)
	if err != nil {
		return err
	}
	statement, err := r.provenance(files, programs)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.dir, provenanceFile), statement, 0o644); err != nil {
		return err
	}
	return writeChecksums(r.dir)
}

func writeJSON(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o644)
}
