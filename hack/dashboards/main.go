// Command dashboards writes the Grafana dashboards of the chart. It runs in its own folder.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	out := flag.String("o", "../../charts/bricklayers/files/dashboards", "folder to write to")
	flag.Parse()
	if err := write(*out); err != nil {
		fmt.Fprintf(os.Stderr, "dashboards: %v\n", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, d := range []page{service, controller} {
		built, err := d.build()
		if err != nil {
			return fmt.Errorf("dashboard %s: %w", d.file, err)
		}
		if err := save(filepath.Join(folder, d.file+".json"), built); err != nil {
			return err
		}
	}
	return nil
}

func save(path string, d dashboard.Dashboard) error {
	content, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o644)
}
