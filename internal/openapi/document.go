// Package openapi makes an OpenAPI 3.1 document of what a program says about its calls and of the Go types of its
// answers, and a page for people of the document.
package openapi

import (
	"reflect"
	"strings"
)

// Document is an OpenAPI 3.1 document, as far as it is used here.
type Document struct {
	OpenAPI    string                           `json:"openapi"`
	Info       Info                             `json:"info"`
	Servers    []Server                         `json:"servers,omitempty"`
	Security   []map[string][]string            `json:"security,omitempty"`
	Paths      map[string]map[string]*Operation `json:"paths"` // by path, then by method in lower case
	Components Components                       `json:"components"`

	types Types
	names map[string]reflect.Type // of components
}

// Types is what reflection cannot tell of types.
type Types struct {
	Enums map[reflect.Type][]string // the only values of a type
	Names map[reflect.Type]string   // of a component, where the type's own would not do
}

// Info says what the document is about.
type Info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description,omitempty"`
	License     struct {
		Name       string `json:"name"`
		Identifier string `json:"identifier"`
	} `json:"license"`
}

// Server is where the calls are.
type Server struct {
	URL string `json:"url"`
}

// Components are what operations refer to.
type Components struct {
	Schemas         map[string]*Schema         `json:"schemas,omitempty"`
	SecuritySchemes map[string]*SecurityScheme `json:"securitySchemes,omitempty"`
}

// SecurityScheme is a way to say who one is.
type SecurityScheme struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme"`
	Description string `json:"description,omitempty"`
}

// Operation is one call.
type Operation struct {
	OperationID string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitempty"`
	Parameters  []Parameter           `json:"parameters,omitempty"`
	RequestBody *Body                 `json:"requestBody,omitempty"`
	Responses   map[string]*Response  `json:"responses"`          // by status
	Security    []map[string][]string `json:"security,omitempty"` // none: the document's
}

// Parameter is one in the address or the header.
type Parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"` // path, query or header
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Schema      *Schema `json:"schema"`
	Style       string  `json:"style,omitempty"`
	Explode     bool    `json:"explode,omitempty"`
}

// Body is a request's content, by media type.
type Body struct {
	Description string           `json:"description,omitempty"`
	Required    bool             `json:"required,omitempty"`
	Content     map[string]Media `json:"content"`
}

// Response is an answer.
type Response struct {
	Description string           `json:"description"`
	Content     map[string]Media `json:"content,omitempty"`
}

// Media says what a content looks like. Without a schema it is bytes.
type Media struct {
	Schema *Schema `json:"schema,omitempty"`
}

// New makes a document without calls.
func New(info Info, types Types) *Document {
	return &Document{
		OpenAPI: "3.1.0", Info: info, Servers: []Server{{URL: "/"}},
		Paths: map[string]map[string]*Operation{}, Components: Components{Schemas: map[string]*Schema{}},
		types: types, names: map[string]reflect.Type{},
	}
}

// Add adds a call.
func (d *Document) Add(method, path string, operation *Operation) {
	if d.Paths[path] == nil {
		d.Paths[path] = map[string]*Operation{}
	}
	d.Paths[path][strings.ToLower(method)] = operation
}
