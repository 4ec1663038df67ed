package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// A longer default would stretch the table; values.yaml shows it better.
const maxDefaultWidth = 60

// writeReadme fills the template's one placeholder, {{ .Values }}, with a table of all values.
func writeReadme(values []value, templatePath, path string) error {
	readme, err := template.ParseFiles(templatePath)
	if err != nil {
		return err
	}
	var table strings.Builder
	table.WriteString("| value | default | what it is for |\n|---|---|---|\n")
	if err := writeRows(&table, values); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := readme.Execute(&out, struct{ Values string }{table.String()}); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func writeRows(table *strings.Builder, values []value) error {
	for _, v := range values {
		if v.isGroup() {
			if err := writeRows(table, v.children); err != nil {
				return err
			}
			continue
		}
		shown, err := defaultText(v.node)
		if err != nil {
			return fmt.Errorf("%s: %w", v.path, err)
		}
		fmt.Fprintf(table, "| `%s` | %s | %s |\n", v.path, shown, strings.ReplaceAll(v.description, "|", `\|`))
	}
	return nil
}

func defaultText(node *yaml.Node) (string, error) {
	var decoded any
	if err := node.Decode(&decoded); err != nil {
		return "", err
	}
	text, err := json.Marshal(decoded)
	if err != nil {
		return "", err
	}
	if len(text) > maxDefaultWidth {
		return "see `values.yaml`", nil
	}
	return "`" + string(text) + "`", nil
}
