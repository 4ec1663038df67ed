package apicheck

import (
	"net/http"
	"strings"
	"testing"
)

const document = `{
  "openapi": "3.1.0", "info": {"title": "t", "version": "1"},
  "paths": {"/jobs/{id}": {
    "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
    "get": {"responses": {
      "200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
      "304": {"description": "unchanged"},
      "default": {"description": "problem", "content": {"application/problem+json": {"schema": {"type": "object", "required": ["reason"]}}}}
    }}
  }},
  "components": {"schemas": {"Job": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "size": {"type": "integer"}}}}}
}`

func TestCheck(t *testing.T) {
	c, err := New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, path string
		status       int
		contentType  string
		body         string
		want         string // "": it is as the document says
	}{
		{"GET", "/jobs/1", 200, "application/json", `{"id": "1", "size": 2, "more": true}`, ""},
		{"GET", "/jobs/1", 304, "", "", ""},
		{"HEAD", "/jobs/1", 200, "application/json", "", ""},
		{"GET", "/elsewhere", 200, "text/plain", "x", ""},
		{"GET", "/jobs/1", 404, "application/problem+json", `{"reason": "x"}`, ""},
		{"GET", "/jobs/1", 404, "application/problem+json", `{}`, "reason"},
		{"GET", "/jobs/1", 200, "application/json", `{"size": 2}`, "id"},
		{"GET", "/jobs/1", 200, "application/json", `{"id": "1", "size": "2"}`, "integer"},
		{"GET", "/jobs/1", 200, "text/html", `<p>`, "text/html, which the document does not know"},
		{"GET", "/jobs/1", 202, "", "", "202, which the document does not know"},
	} {
		err := c.Check(test.method, test.path, test.status, http.Header{"Content-Type": {test.contentType}}, []byte(test.body))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s %d %s: %v, want %q", test.method, test.path, test.status, test.body, err, test.want)
		}
	}
	if _, err := New([]byte(strings.Replace(document, `"description": "OK", `, "", 1))); err == nil {
		t.Error("a document with a mistake was taken")
	}
}
