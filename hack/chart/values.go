package main

import (
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is one entry of values.yaml. A group has children; any other entry is something that users set.
type value struct {
	path        string // dotted, such as manager.service.port
	name        string // last part of path
	description string
	schema      string // what stands after @schema, see typeSchema
	node        *yaml.Node
	children    []value
}

func (v value) isGroup() bool { return v.schema == "" && v.node.Kind == yaml.MappingNode }

func readValues(path string) ([]value, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	values, err := readMapping(document.Content[0], "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return values, nil
}

func readMapping(mapping *yaml.Node, prefix string) ([]value, error) {
	var values []value
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, node := mapping.Content[i], mapping.Content[i+1]
		v := value{path: prefix + key.Value, name: key.Value, node: node}
		v.description, v.schema = readComment(key.HeadComment)
		if v.isGroup() {
			children, err := readMapping(node, v.path+".")
			if err != nil {
				return nil, err
			}
			v.children = children
		} else if v.description == "" {
			return nil, fmt.Errorf("line %d: %s has no comment that says what it is for", key.Line, v.path)
		}
		values = append(values, v)
	}
	return values, nil
}

// readComment splits the paragraph right above a value into its sentences and what follows @schema.
func readComment(comment string) (description, schema string) {
	if i := strings.LastIndex(comment, "\n\n"); i >= 0 {
		comment = comment[i+2:]
	}
	var lines []string
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
		if after, ok := strings.CutPrefix(line, "@schema "); ok {
			schema = after
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, " "), schema
}
