// Package apicheck holds answers of the gateway against the OpenAPI document that it serves.
package apicheck

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Checker knows a document.
type Checker struct {
	document *openapi3.T
}

// New reads a document, and says what is wrong with it.
func New(content []byte) (*Checker, error) {
	document, err := openapi3.NewLoader().LoadFromData(content)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1.") {
		return nil, fmt.Errorf("this is OpenAPI %s", document.OpenAPI)
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, err
	}
	return &Checker{document}, nil
}

// Operations are those of the document, such as "GET /api/v1/status/{job_id}".
func (c *Checker) Operations() []string {
	var found []string
	for path, item := range c.document.Paths.Map() {
		for method := range item.Operations() {
			found = append(found, method+" "+path)
		}
	}
	return found
}

// Check says how an answer differs from the document. A call that the document does not have is none of its business.
func (c *Checker) Check(method, path string, status int, header http.Header, body []byte) error {
	operation := c.find(method, path)
	if operation == nil {
		return nil
	}
	what := fmt.Sprintf("%s %s answered %d", method, path, status)
	response := operation.Responses.Value(strconv.Itoa(status))
	if response == nil && status >= 400 {
		response = operation.Responses.Default()
	}
	if response == nil {
		return fmt.Errorf("%s, which the document does not know", what)
	}
	if len(body) == 0 || method == http.MethodHead {
		return nil
	}
	contentType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("%s with the Content-Type %q: %w", what, header.Get("Content-Type"), err)
	}
	media := response.Value.Content[contentType]
	if media == nil && status < 300 {
		return fmt.Errorf("%s with %s, which the document does not know", what, contentType)
	}
	if media == nil || media.Schema == nil {
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := media.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
		return fmt.Errorf("%s with %s: %w", what, body, err)
	}
	return nil
}

// find prefers a path without variables, as net/http does.
func (c *Checker) find(method, path string) *openapi3.Operation {
	if item := c.document.Paths.Value(path); item != nil {
		return operationOf(item, method)
	}
	segments := strings.Split(path, "/")
	for pattern, item := range c.document.Paths.Map() {
		if fits(strings.Split(pattern, "/"), segments) {
			if operation := operationOf(item, method); operation != nil {
				return operation
			}
		}
	}
	return nil
}

func operationOf(item *openapi3.PathItem, method string) *openapi3.Operation {
	if operation := item.GetOperation(method); operation != nil || method != http.MethodHead {
		return operation
	}
	return item.GetOperation(http.MethodGet)
}

func fits(pattern, segments []string) bool {
	if len(pattern) != len(segments) {
		return false
	}
	for i, p := range pattern {
		if p != segments[i] && !(strings.HasPrefix(p, "{") && segments[i] != "") {
			return false
		}
	}
	return true
}
