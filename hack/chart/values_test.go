package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readText(t *testing.T, text string) ([]value, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return readValues(path)
}

func TestSchema(t *testing.T) {
	for _, test := range []struct{ name, values, want string }{
		{"text", "# Name.\na: x\n", `{"description":"Name.","type":"string"}`},
		{"two lines", "# One\n# two.\na: true\n", `{"description":"One two.","type":"boolean"}`},
		{"only the paragraph above", "a:\n  # About the group.\n\n  # Inner.\n  b: x\n", `{"additionalProperties":false,` +
			`"properties":{"b":{"description":"Inner.","type":"string"}},"type":"object"}`},
		{"choice", "# Type.\n# @schema enum A, B\na: A\n", `{"description":"Type.","enum":["A","B"]}`},
		{"number", "# Count.\n# @schema minimum 1\na: 2\n", `{"description":"Count.","minimum":1,"type":"integer"}`},
		{"fraction", "# Rate.\n# @schema number, minimum 0\na: 2\n", `{"description":"Rate.","minimum":0,"type":"number"}`},
		{"list", "# Names.\n# @schema list of string\na: []\n",
			`{"description":"Names.","items":{"type":"string"},"type":"array"}`},
		{"map", "# Labels.\n# @schema map of string\na: {}\n",
			`{"additionalProperties":{"type":"string"},"description":"Labels.","type":"object"}`},
		{"kind of Kubernetes", "# Affinity.\n# @schema Affinity\na: {}\n", `{"description":"Affinity.","type":"object"}`},
		{"group", "a:\n  # Inner.\n  b: x\n", `{"additionalProperties":false,` +
			`"properties":{"b":{"description":"Inner.","type":"string"}},"type":"object"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			values, err := readText(t, test.values)
			if err != nil {
				t.Fatal(err)
			}
			schema, err := valueSchema(values[0])
			if err != nil {
				t.Fatal(err)
			}
			if values[0].description != "" {
				schema["description"] = values[0].description
			}
			got, err := json.Marshal(schema)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestSchemaErrors(t *testing.T) {
	for _, test := range []struct{ name, values, want string }{
		{"no comment", "a: x\n", "line 1: a has no comment"},
		{"no comment in a group", "a:\n  b: x\n", "line 2: a.b has no comment"},
		{"default without type", "# Count.\na: 3\n", `line 2: a: the default "3" does not tell its type`},
		{"unknown type", "# Count.\n# @schema numbr\na: 3\n", `line 3: a: unknown type "numbr" after @schema`},
		{"unknown inner type", "# Names.\n# @schema list of numbr\na: []\n", `unknown type "numbr"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			values, err := readText(t, test.values)
			if err == nil {
				_, err = groupSchema(values)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestReadmeRows(t *testing.T) {
	values, err := readText(t, "a:\n  # One | two.\n  b: x\n# Long.\n# @schema list of string\nc: ["+
		strings.Repeat("item, ", 20)+"]\n")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := writeRows(&table, values); err != nil {
		t.Fatal(err)
	}
	want := "| `a.b` | `\"x\"` | One \\| two. |\n| `c` | see `values.yaml` | Long. |\n"
	if table.String() != want {
		t.Errorf("got\n%swant\n%s", table.String(), want)
	}
}
