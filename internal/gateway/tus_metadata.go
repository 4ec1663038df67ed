package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"bricklayers.dev/bricklayers/internal/parameters"
	"bricklayers.dev/bricklayers/internal/storage"
)

// describeResumable makes of a creation request what will be known of the upload, and refuses what would be refused
// once its last byte is here.
func (g *Gateway) describeResumable(ctx context.Context, header http.Header, size int64) (*storage.Resumable, error) {
	u := &upload{gateway: g, ctx: ctx, namespace: callerOf(ctx).namespace, parameters: map[string]string{}}
	if err := u.identify(header.Get("Idempotency-Key")); err != nil {
		return nil, err
	}
	if err := u.setMetadata(header.Get("Upload-Metadata")); err != nil {
		return nil, err
	}
	if u.link != "" {
		return nil, fail(http.StatusBadRequest, reasonBadField, "url is not for uploads; POST /api/v1/upload takes it")
	}
	if u.fileName == "" {
		return nil, fail(http.StatusBadRequest, reasonNoFile, "the Upload-Metadata has no filename")
	}
	if err := u.admit(); err != nil {
		return nil, err
	}
	if _, err := parameters.Resolve(u.processor, u.parameters); err != nil {
		return nil, asParameterProblem(err)
	}
	if limit := g.sizeLimit(u.processor); size > limit {
		return nil, tooLarge(limit)
	}
	if size == 0 {
		return nil, fail(http.StatusBadRequest, reasonEmpty, "the file %q is empty", u.fileName)
	}
	if u.existing == nil {
		claim, err := g.quotas.newClaim(u.namespace)
		if err == nil {
			err = claim.grow(size)
		}
		claim.release() // it is not held between the requests: only what is stored counts
		if err != nil {
			return nil, err
		}
	}
	return &storage.Resumable{
		JobID: u.jobID, Size: size, FileName: u.fileName, Processor: u.processorName,
		Parameters: u.parameters, Priority: u.priority,
		Webhook: u.webhook,
	}, nil
}

// resumed is the upload that a resumable one is when it is seen as one request.
func (g *Gateway) resumed(ctx context.Context, facts *storage.Resumable) (*upload, error) {
	u := &upload{
		gateway: g, ctx: ctx, namespace: callerOf(ctx).namespace, jobID: facts.JobID, shared: true,
		fileName: facts.FileName, processorName: facts.Processor, parameters: maps.Clone(facts.Parameters),
		priority: facts.Priority, webhook: facts.Webhook,
	}
	return u, u.admit()
}

// ignoredMetadata are keys that common clients send by themselves.
var ignoredMetadata = []string{"filetype", "type", "relativePath"}

// setMetadata sets the upload's fields from an Upload-Metadata header: pairs of a key and a value in Base64.
func (u *upload) setMetadata(header string) error {
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(header, ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if key == "" || slices.Contains(ignoredMetadata, key) {
			continue
		}
		if seen[key] {
			return repeated(key)
		}
		seen[key] = true
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return fail(http.StatusBadRequest, reasonBadField, "the Upload-Metadata %q is not Base64", key)
		}
		if len(value) > maxFieldBytes {
			return fail(http.StatusBadRequest, reasonBadField, "the Upload-Metadata %q is longer than %d bytes", key, maxFieldBytes)
		}
		if err := u.setMetadatum(key, string(value)); err != nil {
			return err
		}
	}
	return nil
}

func (u *upload) setMetadatum(key, value string) error {
	switch key {
	case "filename":
		return u.setFileName(value)
	case "name": // what some clients call it, beside or instead of filename
		if u.fileName != "" {
			return nil
		}
		return u.setFileName(value)
	case "parameters":
		return u.setParameters(value)
	}
	return u.setField(key, value)
}

// setParameters reads an object of JSON: {"multiplier": 1.08}.
func (u *upload) setParameters(object string) error {
	var values map[string]any
	decoder := json.NewDecoder(strings.NewReader(object))
	decoder.UseNumber() // as they were written
	if err := decoder.Decode(&values); err != nil {
		return fail(http.StatusBadRequest, reasonBadField,
			`the Upload-Metadata "parameters" is no object of JSON such as {"multiplier": 1.08}: %v`, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fail(http.StatusBadRequest, reasonBadField,
			`the Upload-Metadata "parameters" goes on after its object of JSON`)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch values[name].(type) {
		case string, json.Number, bool:
		default:
			return fail(http.StatusBadRequest, reasonBadField, "parameter %q is neither a text nor a number nor true or false", name)
		}
		if err := u.setField("parameters["+name+"]", fmt.Sprint(values[name])); err != nil {
			return err
		}
	}
	return nil
}
