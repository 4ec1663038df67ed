// Command chart generates what follows from the Helm chart's sources, and nothing else writes:
//
//	charts/bricklayers/files/crds          the CustomResourceDefinitions, copied from config/crd
//	charts/bricklayers/values.schema.json  from the comments of values.yaml
//	charts/bricklayers/README.md           from README.md.gotmpl and the comments of values.yaml
//	config/{rbac,manager,gateway,...}      the chart's objects, for kustomize
//
// It runs in the repository's root and needs helm.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const (
	chartDir  = "charts/bricklayers"
	configDir = "config"
)

func main() {
	helm := flag.String("helm", "bin/helm", "helm program")
	flag.Parse()
	if err := generate(*helm); err != nil {
		fmt.Fprintf(os.Stderr, "chart: %v\n", err)
		os.Exit(1)
	}
}

func generate(helm string) error {
	if err := copyCRDs(); err != nil {
		return err
	}
	values, err := readValues(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		return err
	}
	if err := writeSchema(values, filepath.Join(chartDir, "values.schema.json")); err != nil {
		return err
	}
	readme := filepath.Join(chartDir, "README.md")
	if err := writeReadme(values, readme+".gotmpl", readme); err != nil {
		return err
	}
	return writeConfig(helm)
}

// copyCRDs copies the definitions into the chart, since a chart can only read files of its own.
func copyCRDs() error {
	target := filepath.Join(chartDir, "files", "crds")
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	crds, err := filepath.Glob(filepath.Join(configDir, "crd", "processing.*.yaml"))
	if err != nil {
		return err
	}
	if len(crds) == 0 {
		return fmt.Errorf("no definitions in %s/crd: run controller-gen first", configDir)
	}
	for _, crd := range crds {
		content, err := os.ReadFile(crd)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(target, filepath.Base(crd)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
