package gateway_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"k8s.io/utils/ptr"
)

const link = "https://example.com/prints/benchy.gcode?version=2"

// made is an answer to an upload, or the problem in its place.
type made struct {
	JobID  string `json:"job_id"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// sendForm sends fields as a web form.
func (g *gateway) sendForm(fields map[string]string, key string) (int, made) {
	g.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if name == "file" {
			part, err := form.CreateFormFile(name, "part.gcode")
			if err == nil {
				_, err = part.Write([]byte(value))
			}
			if err != nil {
				g.t.Fatal(err)
			}
		} else if err := form.WriteField(name, value); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		g.t.Fatal(err)
	}
	var v made
	header := []string{"Content-Type", form.FormDataContentType(), "Idempotency-Key", key}
	return g.callWith("POST", "http://"+g.address+"/api/v1/upload", &body, &v, header...), v
}

// TestLink: a job is made of a link as it is of a file, but for the bytes.
func TestLink(t *testing.T) {
	g := startGateway(t)
	const key = "a-key-that-is-long-enough"
	status, first := g.sendForm(map[string]string{"url": link, "priority": "7"}, key)
	if status != http.StatusCreated {
		t.Fatalf("answered %d: %+v", status, first)
	}
	job := g.job(first.JobID)
	if in := job.Spec.Input; ptr.Deref(in.URL, "") != link || in.Upload != nil || ptr.Deref(job.Spec.Priority, 0) != 7 {
		t.Errorf("the job is %+v", job.Spec)
	}
	if status, again := g.sendForm(map[string]string{"url": link}, key); status != http.StatusCreated || again.JobID != first.JobID {
		t.Errorf("with the same key: %d, job %s, want %s", status, again.JobID, first.JobID)
	}
	var v made
	if status := g.call("POST", "http://"+g.address+"/api/v1/upload?url=https://example.com/a.gcode", nil, "", &v); status != http.StatusCreated {
		t.Errorf("in the address: %d %+v", status, v)
	}
	for _, test := range []struct {
		status int
		reason string
		key    string
		fields map[string]string
	}{
		{422, "idempotency_key_reused", key, map[string]string{"url": "https://example.com/other.gcode"}},
		{400, "bad_field", "", map[string]string{"url": "http://example.com/a.gcode"}},
		{400, "bad_field", "", map[string]string{"url": "benchy.gcode"}},
		{400, "bad_field", "", map[string]string{"url": "https://me:secret@example.com/a.gcode"}},
		{400, "bad_field", "", map[string]string{"url": "https://example.com/" + strings.Repeat("a", 2048) + ".gcode"}},
		{400, "bad_form", "", map[string]string{"url": link, "file": gcode}},
		{400, "invalid_parameters", "", map[string]string{"url": link, "parameters[colour]": "red"}},
		{404, "processor_not_found", "", map[string]string{"url": link, "processor": "nothing"}},
		{415, "invalid_extension", "", map[string]string{"url": "https://example.com/model.stl"}},
	} {
		if status, v := g.sendForm(test.fields, test.key); status != test.status || v.Reason != test.reason {
			t.Errorf("%v: %d %+v, want %d %s", test.fields, status, v, test.status, test.reason)
		}
	}
}

func TestLinksCanBeRefused(t *testing.T) {
	g := startGateway(t, "--input-urls=false")
	if status, v := g.sendForm(map[string]string{"url": link}, ""); status != http.StatusForbidden || v.Reason != "url_not_allowed" {
		t.Errorf("answered %d: %+v", status, v)
	}
}
