package openapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
)

//go:embed page.css
var style string

//go:embed page.html.tmpl
var pageText string

// PagePolicy is the Content-Security-Policy of the page: its own style and nothing else.
var PagePolicy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":    func() template.CSS { return template.CSS(style) },
	"calls":    calls,
	"typeName": typeName,
	"target":   target,
	"anchor":   anchor,
}).Parse(pageText))

// Page writes the document for people.
func (d *Document) Page() ([]byte, error) {
	var out bytes.Buffer
	err := page.Execute(&out, d)
	return out.Bytes(), err
}

// call is an operation and its address.
type call struct {
	Method, Path string
	*Operation
}

// calls are a document's operations by path, and those of one path by what they do to it.
func calls(d *Document) []call {
	var found []call
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for method, operation := range d.Paths[path] {
			found = append(found, call{strings.ToUpper(method), path, operation})
		}
	}
	order := []string{"OPTIONS", "POST", "GET", "HEAD", "PUT", "PATCH", "DELETE"}
	slices.SortStableFunc(found, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), slices.Index(order, a.Method)-slices.Index(order, b.Method))
	})
	return found
}

func anchor(c call) string { return c.OperationID }

// target is the component that a schema refers to, itself or with its items, or "".
func target(s *Schema) string {
	for s != nil {
		if s.Ref != "" {
			return strings.TrimPrefix(s.Ref, refPrefix)
		}
		s = cmp.Or(s.Items, s.AdditionalProperties)
	}
	return ""
}

// typeName says in words what a schema is.
func typeName(s *Schema) string {
	switch {
	case s == nil:
		return "bytes"
	case s.Ref != "":
		return strings.TrimPrefix(s.Ref, refPrefix)
	case s.Items != nil:
		return "list of " + typeName(s.Items)
	case s.AdditionalProperties != nil:
		return "map of " + typeName(s.AdditionalProperties)
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | ")
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("%s from %d to %d", s.Type, *s.Minimum, *s.Maximum)
	case s.Format == "date-time":
		return "time"
	}
	return s.Type
}
