package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"testing"
	"time"
)

// answer is the union of what the gateway's JSON answers carry.
type answer struct {
	JobID   string `json:"job_id"`
	Status  word   `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Title   string `json:"title"`
	Detail  string `json:"detail"`
}

// word is a string, or what a problem has in that place: a number.
type word string

func (w *word) UnmarshalJSON(raw []byte) error {
	*w = word(bytes.Trim(raw, `"`))
	return nil
}

// form is a multipart upload.
type form struct {
	file    string // name; empty: no file field
	content []byte
	fields  map[string]string
}

func (f form) post(t *testing.T) (int, answer) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range f.fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if f.file != "" {
		part, err := w.CreateFormFile("file", f.file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gatewayURL+"/api/v1/upload", &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (int, answer) {
	t.Helper()
	status, _, body := raw(t, request)
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("%s answered %d with no JSON: %q", request.URL, status, body)
	}
	return status, a
}

func raw(t *testing.T, request *http.Request) (int, http.Header, []byte) {
	t.Helper()
	response, err := httpClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}

func get(t *testing.T, path string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gatewayURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// upload sends a file that must be taken.
func upload(t *testing.T, f form) string {
	t.Helper()
	status, a := f.post(t)
	if status != http.StatusCreated || a.JobID == "" || a.Status == "" {
		t.Fatalf("the upload answered %d %+v", status, a)
	}
	return a.JobID
}

// untilStatus follows a job over HTTP.
func untilStatus(t *testing.T, id string, want word) answer {
	t.Helper()
	var last answer
	eventually(t, "job "+id+" to be "+string(want), 2*time.Minute, func(context.Context) (bool, error) {
		_, last = do(t, get(t, "/api/v1/status/"+id))
		if last.Status != want && (last.Status == "Completed" || last.Status == "Error" || last.Status == "Timeout") {
			t.Fatalf("job %s ended as %+v, want %s", id, last, want)
		}
		return last.Status == want, nil
	})
	return last
}
