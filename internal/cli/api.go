package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// job is what the gateway says of a job; raw is all of it.
type job struct {
	ID         string            `json:"job_id"`
	Status     string            `json:"status,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Message    string            `json:"message,omitempty"`
	Processor  string            `json:"processor,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Priority   int32             `json:"priority"`
	Attempts   int32             `json:"attempts"`
	CreatedAt  time.Time         `json:"created_at,omitzero"`
	StartedAt  *time.Time        `json:"started_at,omitempty"`
	FinishedAt *time.Time        `json:"finished_at,omitempty"`
	Queue      *struct {
		Message         string   `json:"message"`
		Position        *int     `json:"position"`
		EstimateSeconds *float64 `json:"estimate_seconds"`
	} `json:"queue,omitempty"`
	Input  *file  `json:"input,omitempty"`
	Output []file `json:"output,omitempty"`

	raw  json.RawMessage
	etag string
}

func (j *job) finished() bool {
	return j.Status == "Completed" || j.Status == "Error" || j.Status == "Timeout"
}

// err is what a finished job ends the program with.
func (j *job) err() error {
	switch j.Status {
	case "Error":
		return withCode(exitJobFailed, fmt.Errorf("job %s ended as Error: %s", j.ID, j.why()))
	case "Timeout":
		return withCode(exitJobTimeout, fmt.Errorf("job %s ended as Timeout: %s", j.ID, j.why()))
	}
	return nil
}

func (j *job) why() string {
	if j.Message == "" {
		return j.Reason
	}
	return j.Reason + ": " + j.Message
}

type file struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"` // bytes
	SHA256   string `json:"sha256,omitempty"`
	Download string `json:"download,omitempty"`
}

// problem is an answer of the gateway that is an error (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return fmt.Sprintf("the gateway answered %d %s", p.Status, http.StatusText(p.Status))
}

// client speaks to a gateway.
type client struct {
	base      string // address, without a slash at its end
	token     string
	namespace string // of the jobs, or empty
	http      *http.Client
}

// address is that of a call.
func (c *client) address(path string, query url.Values) string {
	if c.namespace != "" {
		if query == nil {
			query = url.Values{}
		}
		query.Set("namespace", c.namespace)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.base + path
}

// do sends a request. Any answer below 400 is the caller's to read and close.
func (c *client) do(ctx context.Context, method, address string, body io.Reader, header ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return c.send(request)
}

func (c *client) send(request *http.Request) (*http.Response, error) {
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if request.Context().Err() != nil {
			return nil, context.Cause(request.Context())
		}
		return nil, withCode(exitUnreachable, fmt.Errorf("the gateway does not answer: %w", err))
	}
	if response.StatusCode < 400 {
		return response, nil
	}
	defer response.Body.Close()
	return response, readProblem(response)
}

// readProblem reads an error, which may be a proxy's in between.
func readProblem(response *http.Response) error {
	p := &problem{}
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || json.Unmarshal(content, p) != nil {
		p.Detail = ""
	}
	p.Status = response.StatusCode
	if p.Status == http.StatusUnauthorized {
		p.Detail = strings.TrimSuffix(p.Error(), ".") + "; pass a token with --token or $BRICKLAYERS_TOKEN"
	}
	return p
}

func (c *client) getJSON(ctx context.Context, path string, query url.Values, into any) error {
	response, err := c.do(ctx, http.MethodGet, c.address(path, query), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("the gateway's answer to GET %s cannot be read: %w", path, err)
	}
	return nil
}

// status asks for a job. With an ETag it waits for news up to the given time, and returns nil if there are none.
func (c *client) status(ctx context.Context, id, etag string, wait time.Duration) (*job, error) {
	query, header := url.Values{}, []string{}
	if wait > 0 {
		query.Set("wait", strconv.Itoa(int(wait.Seconds()))+"s")
	}
	if etag != "" {
		header = append(header, "If-None-Match", etag)
	}
	response, err := c.do(ctx, http.MethodGet, c.address("/api/v1/status/"+url.PathEscape(id), query), nil, header...)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified {
		return nil, nil
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, withCode(exitUnreachable, fmt.Errorf("read the gateway's answer: %w", err))
	}
	j := &job{raw: bytes.TrimSpace(content), etag: response.Header.Get("ETag")}
	if err := json.Unmarshal(content, j); err != nil {
		return nil, fmt.Errorf("the gateway's answer cannot be read: %w", err)
	}
	return j, nil
}

// follow calls seen with each state of a job until it is final. It outlives a gateway that is away for a while.
func (c *client) follow(ctx context.Context, id string, seen func(*job)) (*job, error) {
	etag, pause := "", newBackoff()
	for {
		wait := 50 * time.Second
		if etag == "" {
			wait = 0 // without a state to compare with the gateway would wait for the end
		}
		j, err := c.status(ctx, id, etag, wait)
		switch {
		case err != nil && !retryable(err):
			return nil, err
		case err != nil:
			if err := pause.wait(ctx, err); err != nil {
				return nil, err
			}
		case j != nil:
			pause.reset()
			seen(j)
			if j.finished() {
				return j, nil
			}
			etag = j.etag
		}
	}
}

// retryable tells whether the same request may go well later.
func retryable(err error) bool {
	var p *problem
	if errors.As(err, &p) {
		return p.Status >= 500 && p.Status != http.StatusInsufficientStorage || p.Status == http.StatusTooManyRequests
	}
	var coded *codedError
	return errors.As(err, &coded) && coded.code == exitUnreachable
}
