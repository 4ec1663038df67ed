// Package dashboards reads the Grafana dashboards that the chart ships, for tests.
package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Dashboard is what the tests look at.
type Dashboard struct {
	File        string  `json:"-"`
	Title       string  `json:"title"`
	UID         string  `json:"uid"`
	Description string  `json:"description"`
	Panels      []Panel `json:"panels"`
	Templating  struct {
		List []struct {
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"list"`
	} `json:"templating"`
}

// Panel is a panel, or the title of a row.
type Panel struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Datasource struct {
		UID string `json:"uid"`
	} `json:"datasource"`
	Targets []Target `json:"targets"`
	Panels  []Panel  `json:"panels"` // of a row that is folded
}

// Target is one query of a panel.
type Target struct {
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
}

// Load reads all dashboards below the repository's root.
func Load(root string) ([]Dashboard, error) {
	paths, err := filepath.Glob(filepath.Join(root, "charts/bricklayers/files/dashboards/*.json"))
	if err != nil {
		return nil, err
	}
	var all []Dashboard
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		d := Dashboard{File: filepath.Base(path)}
		if err := json.Unmarshal(content, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// Resolve puts values in the place of Grafana's variables. window is that of rates, span the dashboard's time range.
func (t Target) Resolve(window, span string) string {
	return strings.NewReplacer("$__rate_interval", window, "$__range", span, "$namespace", ".*").Replace(t.Expr)
}
