package gateway

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/gcode/validate"
	"bricklayers.dev/bricklayers/internal/openapi"
	"bricklayers.dev/bricklayers/internal/parameters"
	"bricklayers.dev/bricklayers/internal/podapi"
	"bricklayers.dev/bricklayers/internal/queueapi"
	"bricklayers.dev/bricklayers/internal/version"
)

// handleDocument serves the OpenAPI document of the routes, and a page of it. Both are made when somebody asks.
func (g *Gateway) handleDocument(rt *router) {
	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(g.document(rt)) })
	page := sync.OnceValues(func() ([]byte, error) { return g.document(rt).Page() })
	rt.handle("GET /api/v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) error {
		return sendMade(w, "application/json", document)
	}, http.StatusOK, http.StatusInternalServerError)
	rt.handle("GET /docs", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Security-Policy", openapi.PagePolicy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		return sendMade(w, "text/html; charset=utf-8", page)
	}, http.StatusOK, http.StatusInternalServerError)
}

func sendMade(w http.ResponseWriter, contentType string, made func() ([]byte, error)) error {
	content, err := made()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	_, err = w.Write(content)
	return err
}

// document describes every route but those of the page for people.
func (g *Gateway) document(rt *router) *openapi.Document {
	info := openapi.Info{
		Title: "Bricklayers gateway", Version: version.Version,
		Description: "Files go in, a container runs on each as a Kubernetes Job, results come out.\n" +
			"An error is a problem (RFC 9457) with a reason of a closed list, which programs act on.",
	}
	info.License.Name, info.License.Identifier = "Apache License 2.0", "Apache-2.0"
	d := openapi.New(info, documentTypes())
	if g.reviews != nil {
		d.Components.SecuritySchemes = map[string]*openapi.SecurityScheme{"token": {
			Type: "http", Scheme: "bearer", Description: "a token of the Kubernetes cluster; RBAC decides what it may do",
		}}
	}
	calls := describeCalls(d)
	for _, route := range rt.routes {
		c, ok := calls[route.Method+" "+route.Endpoint]
		if !ok {
			continue // a test sees to it that only the page's are
		}
		operation := c.Operation
		operation.Responses = g.responses(d, c, route.Statuses)
		if c.guarded {
			operation.Parameters = append(operation.Parameters, namespaceParameter)
			if g.reviews != nil {
				operation.Security = []map[string][]string{{"token": {}}}
			}
		}
		d.Add(route.Method, route.Endpoint, &operation)
	}
	return d
}

// responses are what a call answers: what is good in its own way, and problems.
func (g *Gateway) responses(d *openapi.Document, c apiCall, statuses []int) map[string]*openapi.Response {
	problems := map[string]openapi.Media{podapi.ProblemContentType: {Schema: d.SchemaOf(problem{})}}
	responses := map[string]*openapi.Response{"default": {Description: "any other problem", Content: problems}}
	if c.guarded {
		statuses = append(slices.Clone(statuses), http.StatusNotFound) // a namespace that is not served
		if g.reviews != nil {
			statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden)
		}
		if g.clients != nil || g.reviews != nil {
			statuses = append(statuses, http.StatusTooManyRequests)
		}
	}
	for _, status := range statuses {
		response := &openapi.Response{Description: http.StatusText(status)}
		switch {
		case status >= http.StatusBadRequest && c.Operation.OperationID != "headUpload":
			response.Content = problems
		case status == http.StatusOK, status == http.StatusCreated, status == http.StatusPartialContent:
			response.Content = c.good
		}
		if response.Description == "" { // a status of the tus protocol's own
			response.Description = "Checksum Mismatch"
		}
		responses[strconv.Itoa(status)] = response
	}
	return responses
}

func documentTypes() openapi.Types {
	texts := func(values ...v1alpha1.Phase) (out []string) {
		for _, v := range values {
			out = append(out, string(v))
		}
		return out
	}
	return openapi.Types{
		Enums: map[reflect.Type][]string{
			reflect.TypeFor[v1alpha1.Phase](): texts(phases...),
			reflect.TypeFor[v1alpha1.ParameterType](): {
				string(v1alpha1.ParameterString), string(v1alpha1.ParameterInteger), string(v1alpha1.ParameterNumber),
				string(v1alpha1.ParameterBoolean), string(v1alpha1.ParameterEnum),
			},
		},
		Names: map[reflect.Type]string{
			reflect.TypeFor[parameters.Problem](): "ParameterProblem",
			reflect.TypeFor[validate.Result]():    "Content",
			reflect.TypeFor[queueapi.Waiting]():   "Queue",
		},
	}
}

var namespaceParameter = openapi.Parameter{
	Name: namespaceField, In: "query", Schema: &openapi.Schema{Type: "string"},
	Description: "namespace of the job; without it, it is the gateway's own",
}

// parameter makes one of a type such as "string" or "integer".
func parameter(in, name, kind, description string) openapi.Parameter {
	return openapi.Parameter{
		Name: name, In: in, Required: in == "path", Schema: &openapi.Schema{Type: kind},
		Description: strings.TrimSpace(description),
	}
}
