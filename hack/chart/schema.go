package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// object is a JSON Schema, or any other JSON object.
type object = map[string]any

// writeSchema writes a schema in which every group is closed, so that helm refuses a mistyped name.
func writeSchema(values []value, path string) error {
	schema, err := groupSchema(values)
	if err != nil {
		return err
	}
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	// Helm passes global to every chart that is part of another.
	schema["properties"].(object)["global"] = object{"type": "object"}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func groupSchema(values []value) (object, error) {
	properties := object{}
	for _, v := range values {
		property, err := valueSchema(v)
		if err != nil {
			return nil, err
		}
		if v.description != "" {
			property["description"] = v.description
		}
		properties[v.name] = property
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}, nil
}

func valueSchema(v value) (object, error) {
	if v.isGroup() {
		return groupSchema(v.children)
	}
	if v.schema != "" {
		schema, err := typeSchema(v.schema)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", v.node.Line, v.path, err)
		}
		return schema, nil
	}
	switch v.node.ShortTag() {
	case "!!bool":
		return object{"type": "boolean"}, nil
	case "!!str":
		return object{"type": "string"}, nil
	}
	return nil, fmt.Errorf("line %d: %s: the default %q does not tell its type; add an @schema line",
		v.node.Line, v.path, v.node.Value)
}

// typeSchema is what can stand after @schema. A name with a capital is a type of Kubernetes: the API server, which
// knows it, refuses what is wrong in it.
func typeSchema(name string) (object, error) {
	word, rest, _ := strings.Cut(name, " ")
	switch {
	case strings.HasPrefix(name, "list of "):
		items, err := typeSchema(strings.TrimPrefix(name, "list of "))
		return object{"type": "array", "items": items}, err
	case strings.HasPrefix(name, "map of "):
		items, err := typeSchema(strings.TrimPrefix(name, "map of "))
		return object{"type": "object", "additionalProperties": items}, err
	case word == "enum":
		return object{"enum": strings.Split(rest, ", ")}, nil
	case word == "minimum":
		minimum, err := strconv.Atoi(rest)
		return object{"type": "integer", "minimum": minimum}, err
	case strings.HasPrefix(name, "number, minimum "):
		minimum, err := strconv.Atoi(strings.TrimPrefix(name, "number, minimum "))
		return object{"type": "number", "minimum": minimum}, err
	case name == "Processor":
		return object{
			"type": "object",
			"properties": object{
				"enabled": object{"type": "boolean"},
				"spec":    object{"type": "object"},
			},
			"additionalProperties": false,
		}, nil
	case unicode.IsUpper(rune(name[0])):
		return object{"type": "object"}, nil
	}
	if schema, ok := scalarSchemas[name]; ok {
		return schema(), nil
	}
	return nil, fmt.Errorf("unknown type %q after @schema", name)
}

const quantityPattern = `[0-9]+(\.[0-9]+)?([kMGTPE]i?)?`

var scalarSchemas = map[string]func() object{
	"string": func() object { return object{"type": "string"} },
	"auto":   func() object { return object{"enum": []any{true, false, "auto"}} },
	"port":   func() object { return object{"type": "integer", "minimum": 1, "maximum": 65535} },
	"duration": func() object {
		return object{"type": "string", "pattern": `^(([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+)?$`}
	},
	"address with a port": func() object {
		return object{"type": "string", "pattern": `^(https?://[^/ ]+:[0-9]+)?$`}
	},
	"quantity": func() object {
		return object{"type": []string{"string", "integer"}, "pattern": `^` + quantityPattern + `$`}
	},
	"optional quantity": func() object {
		return object{"type": []string{"string", "integer"}, "pattern": `^(` + quantityPattern + `)?$`}
	},
	"integer or percentage": func() object {
		return object{"type": []string{"string", "integer"}, "pattern": `^[0-9]+%$`, "minimum": 0}
	},
}
