package openapi

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Schema is a JSON Schema (2020-12), as far as it is used here.
type Schema struct {
	Ref                  string             `json:"$ref,omitempty"`
	Type                 string             `json:"type,omitempty"`
	Format               string             `json:"format,omitempty"`
	Description          string             `json:"description,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Minimum              *int               `json:"minimum,omitempty"`
	Maximum              *int               `json:"maximum,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	Required             []string           `json:"required,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	AdditionalProperties *Schema            `json:"additionalProperties,omitempty"`
}

const refPrefix = "#/components/schemas/"

// SchemaOf returns the schema of a value's type as encoding/json writes it. Structs become components, named like their
// types; a tag `doc` describes a field.
func (d *Document) SchemaOf(value any) *Schema { return d.of(reflect.TypeOf(value)) }

var timeType = reflect.TypeFor[time.Time]()

func (d *Document) of(t reflect.Type) *Schema {
	if t == timeType {
		return &Schema{Type: "string", Format: "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.of(t.Elem())
	case reflect.Struct:
		return d.component(t)
	case reflect.Slice:
		return &Schema{Type: "array", Items: d.of(t.Elem())}
	case reflect.Map:
		return &Schema{Type: "object", AdditionalProperties: d.of(t.Elem())}
	case reflect.String:
		return &Schema{Type: "string", Enum: d.types.Enums[t]}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int32:
		return &Schema{Type: "integer", Format: "int32"}
	case reflect.Int64:
		return &Schema{Type: "integer", Format: "int64"}
	case reflect.Float64:
		return &Schema{Type: "number"}
	}
	panic(fmt.Sprintf("openapi: no schema for %s", t)) // of our own types only: a mistake in this program
}

// component makes a struct's schema once, and returns a reference to it.
func (d *Document) component(t reflect.Type) *Schema {
	name := d.types.Names[t]
	if name == "" {
		name = strings.ToUpper(t.Name()[:1]) + strings.TrimSuffix(t.Name()[1:], "View")
	}
	ref := &Schema{Ref: refPrefix + name}
	if other, known := d.names[name]; known {
		if other != t {
			panic(fmt.Sprintf("openapi: %s and %s have one name", other, t))
		}
		return ref
	}
	d.names[name] = t
	s := &Schema{Type: "object", Properties: map[string]*Schema{}}
	d.fields(t, s)
	d.Components.Schemas[name] = s
	return ref
}

func (d *Document) fields(t reflect.Type, s *Schema) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			d.fields(field.Type, s)
			continue
		case !field.IsExported() || name == "-":
			continue
		}
		property := d.of(field.Type)
		property.Description = field.Tag.Get("doc")
		s.Properties[name] = property
		if !strings.Contains(options, "omit") {
			s.Required = append(s.Required, name)
		}
	}
}
