package gateway

import (
	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/internal/openapi"
)

// apiCall is what the document says of a route beyond its statuses.
type apiCall struct {
	openapi.Operation
	good    map[string]openapi.Media // content of 200, 201 and 206
	guarded bool                     // it is about a namespace, and for who may
}

const (
	jsonType   = "application/json"
	bytesType  = "application/octet-stream"
	streamType = "text/event-stream"
)

// describeCalls describes the routes, by method and address. Their statuses stand where the routes are.
func describeCalls(d *openapi.Document) map[string]apiCall {
	calls := map[string]apiCall{}
	describeUploads(d, calls)
	describeResumable(calls)
	describeJobs(d, calls)
	describeFiles(calls)
	describeOperations(calls)
	return calls
}

func describeUploads(d *openapi.Document, calls map[string]apiCall) {
	text := func(description string) *openapi.Schema {
		return &openapi.Schema{Type: "string", Description: description}
	}
	fields := map[string]*openapi.Schema{
		"processor": text("name of the Processor; without it the installation's default"),
		"priority": {
			Type: "integer", Description: "higher starts sooner", Minimum: ptr.To(-maxPriority), Maximum: ptr.To(maxPriority),
		},
		"url":     text("https address of the file, in place of the file; the job's pod fetches it"),
		"webhook": text("address that is told once the job has finished, on a host that the installation allows"),
	}
	form := &openapi.Schema{
		Type: "object", Properties: map[string]*openapi.Schema{"file": text("the file, with a name, unless there is a url")},
		// parameters[NAME]
		AdditionalProperties: text("parameters[NAME]: value of one of the Processor's parameters"),
	}
	parameters := []openapi.Parameter{
		parameter("query", "name", "string", "name of the file, where the body is the file itself"),
		{
			Name: "parameters", In: "query", Style: "deepObject", Explode: true,
			Schema:      &openapi.Schema{Type: "object", AdditionalProperties: &openapi.Schema{Type: "string"}},
			Description: "parameters[NAME]: value of one of the Processor's parameters",
		},
	}
	for _, name := range []string{"url", "processor", "priority", "webhook"} {
		form.Properties[name] = fields[name]
		parameters = append(parameters, openapi.Parameter{
			Name: name, In: "query", Schema: fields[name], Description: fields[name].Description,
		})
	}
	parameters = append(parameters,
		parameter("header", "Idempotency-Key", "string",
			"16 to 255 random characters: a repeated request gets the first one's job"),
		parameter("header", contentDigest, "string", "sha-256 or sha-512 of the body (RFC 9530), held against what arrives"),
		parameter("header", reprDigest, "string", "the same"))
	calls["POST /api/v1/upload"] = apiCall{
		Operation: openapi.Operation{
			OperationID: "upload", Summary: "Send a file to be processed",
			Description: "The answer comes once the file and its job are durable. Of a refused upload nothing is kept.\n" +
				"The fields of a form may come in any order, and may stand in the address instead.",
			Parameters: parameters,
			RequestBody: &openapi.Body{
				Description: "A form, or the file itself as any other type; nothing where the address has a url.",
				Content:     map[string]openapi.Media{"multipart/form-data": {Schema: form}, bytesType: {}},
			},
		},
		good: map[string]openapi.Media{jsonType: {Schema: d.SchemaOf(jobView{})}}, guarded: true,
	}
}

// describeResumable describes the calls of the tus protocol, whose clients know them.
func describeResumable(calls map[string]apiCall) {
	version := parameter("header", "Tus-Resumable", "string", "1.0.0")
	id := parameter("path", "upload_id", "string", "the upload's own")
	add := func(pattern, operation, summary string, body *openapi.Body, parameters ...openapi.Parameter) {
		calls[pattern] = apiCall{
			Operation: openapi.Operation{
				OperationID: operation, Summary: summary, Parameters: parameters, RequestBody: body,
				Description: "A call of the tus protocol 1.0.0 (https://tus.io/protocols/resumable-upload).",
			},
			guarded: operation != "resumableOptions",
		}
	}
	const one = tusPath + "{upload_id}"
	chunk := &openapi.Body{Content: map[string]openapi.Media{"application/offset+octet-stream": {}}}
	offset := parameter("header", "Upload-Offset", "integer", "where the body belongs")
	checksum := parameter("header", "Upload-Checksum", "string", "sha1, sha256 or sha512 of the body in Base64")
	add("OPTIONS "+tusPath, "resumableOptions", "Ask which extensions there are", nil)
	add("POST "+tusPath, "createUpload", "Begin a resumable upload", chunk, version,
		parameter("header", "Upload-Length", "integer", "bytes of the whole file"),
		parameter("header", "Upload-Metadata", "string", "filename, processor, priority, parameters and webhook, in Base64 each"),
		parameter("header", "Idempotency-Key", "string", "as of an upload in one request"), checksum)
	add("HEAD "+one, "headUpload", "Ask how far an upload is", nil, version, id)
	add("PATCH "+one, "continueUpload", "Send the next bytes", chunk, version, id, offset, checksum)
	add("POST "+one, "overrideUpload", "Send PATCH or DELETE from where that is not possible", chunk, version, id,
		parameter("header", "X-HTTP-Method-Override", "string", "PATCH or DELETE"), offset, checksum)
	add("DELETE "+one, "endUpload", "Give an upload up", nil, version, id)
}

var (
	jobID       = parameter("path", "job_id", "string", "the job's id, which is the ProcessingJob's name")
	ifNoneMatch = parameter("header", "If-None-Match", "string", "ETag of what the client has")
)

func describeJobs(d *openapi.Document, calls map[string]apiCall) {
	answer := func(value any) map[string]openapi.Media {
		return map[string]openapi.Media{jsonType: {Schema: d.SchemaOf(value)}}
	}
	stream := map[string]openapi.Media{streamType: {}}
	calls["GET /api/v1/status/{job_id}"] = apiCall{Operation: openapi.Operation{
		OperationID: "status", Summary: "Ask what became of a job",
		Parameters: []openapi.Parameter{
			jobID, parameter("query", "wait", "string",
				"such as 30s, at most 60s: answer only once the job is final or, with If-None-Match, has changed"), ifNoneMatch,
		},
	}, good: answer(jobView{}), guarded: true}
	calls["GET /api/v1/status/{job_id}/events"] = apiCall{Operation: openapi.Operation{
		OperationID: "events", Summary: "Follow a job as server-sent events",
		Description: "An event status with the job at the start and for every change, until it is final; " +
			"an event gone when it was deleted. Who has the last event gets 204, which ends an EventSource.",
		Parameters: []openapi.Parameter{jobID, parameter("header", "Last-Event-ID", "string", "of the last event that came")},
	}, good: stream, guarded: true}
	calls["POST /api/v1/events"] = apiCall{Operation: openapi.Operation{
		OperationID: "follow", Summary: "Follow many jobs over one connection",
		RequestBody: &openapi.Body{Required: true, Content: map[string]openapi.Media{jsonType: {Schema: d.SchemaOf(followed{})}}},
	}, good: stream, guarded: true}
	calls["GET /api/v1/jobs"] = apiCall{Operation: openapi.Operation{
		OperationID: "listJobs", Summary: "List jobs, newest first",
		Description: "Without authentication it is off unless the installation wants it: whoever knows a job's id may read it.",
		Parameters: []openapi.Parameter{
			{
				Name: "limit", In: "query", Description: "jobs on a page; 50 without it",
				Schema: &openapi.Schema{Type: "integer", Minimum: ptr.To(1), Maximum: ptr.To(maxPage)},
			},
			parameter("query", "continue", "string", "what the page before ended with"),
			{Name: "status", In: "query", Description: "only jobs in that phase", Schema: d.SchemaOf(phases[0])},
			parameter("query", "processor", "string", "only jobs of that Processor"),
			parameter("query", "name", "string", "only jobs whose input file has this in its name"), ifNoneMatch,
		},
	}, good: answer(jobList{}), guarded: true}
	calls["DELETE /api/v1/jobs/{job_id}"] = apiCall{Operation: openapi.Operation{
		OperationID: "deleteJob", Summary: "End a job before its time, and delete it with its files",
		Parameters: []openapi.Parameter{jobID},
	}, guarded: true}
	calls["GET /api/v1/processors"] = apiCall{Operation: openapi.Operation{
		OperationID: "listProcessors", Summary: "List what a file can be sent to",
	}, good: answer(processorList{}), guarded: true}
}

func describeFiles(calls map[string]apiCall) {
	ranges := []openapi.Parameter{
		jobID, parameter("header", "Range", "string", "a part of the file"),
		parameter("header", "If-Range", "string", "ETag of the file that the part is of"), ifNoneMatch,
		parameter("header", "If-Match", "string", "ETag of the file that is wanted, and no other"),
		parameter("query", "redirect", "boolean", "false: have the bytes come from here, not from the bucket"),
	}
	calls["GET /api/v1/download/{job_id}"] = apiCall{Operation: openapi.Operation{
		OperationID: "download", Summary: "Fetch a result",
		Description: "Its only file, the one that file names, or all in a zip. Where the bucket can, the answer leads there.",
		Parameters: append([]openapi.Parameter{
			parameter("query", "file", "string", "name of one of several files"),
			parameter("query", "archive", "string", "zip: all files in one; so does Accept: application/zip"),
		}, ranges...),
	}, good: map[string]openapi.Media{bytesType: {}, zipType: {}}, guarded: true}
	calls["GET /api/v1/input/{job_id}"] = apiCall{Operation: openapi.Operation{
		OperationID: "input", Summary: "Fetch the file that was uploaded", Parameters: ranges,
	}, good: map[string]openapi.Media{bytesType: {}}, guarded: true}
}

func describeOperations(calls map[string]apiCall) {
	text := map[string]openapi.Media{"text/plain": {}}
	for pattern, c := range map[string]apiCall{
		"GET /healthz": {
			Operation: openapi.Operation{OperationID: "healthz", Summary: "Ask whether the process serves"}, good: text,
		},
		"GET /readyz": {
			Operation: openapi.Operation{OperationID: "readyz", Summary: "Ask whether uploads would work", Parameters: []openapi.Parameter{
				parameter("query", "exclude", "string", "bucket or cluster: a check to leave out; may be there twice"),
			}}, good: text,
		},
		"GET /metrics": {
			Operation: openapi.Operation{OperationID: "metrics", Summary: "Read the metrics, for Prometheus"},
			good:      map[string]openapi.Media{"text/plain": {}, "application/openmetrics-text": {}},
		},
		"GET /api/v1/openapi.json": {
			Operation: openapi.Operation{OperationID: "openapi", Summary: "Read this document"},
			good:      map[string]openapi.Media{jsonType: {}},
		},
		"GET /docs": {
			Operation: openapi.Operation{OperationID: "docs", Summary: "Read this document as a page"},
			good:      map[string]openapi.Media{"text/html": {}},
		},
	} {
		calls[pattern] = c
	}
}
