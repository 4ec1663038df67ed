package check_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestSharesNoCodeWithTheTransform keeps the checker independent: a common mistake would go unnoticed.
func TestSharesNoCodeWithTheTransform(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "internal/gcode") && !strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}
