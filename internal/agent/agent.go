// Package agent runs beside a job's process: fetch brings the input before it, store takes the outputs after it. It is
// the only part of the pod that talks to anything.
package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bricklayers.dev/bricklayers/internal/podapi"
)

// Exit codes. ExitInput tells the manager that another attempt would end the same way.
const (
	ExitFault = 1
	ExitInput = 65
)

// inputError is the fault of the input.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

func inputFault(format string, args ...any) error { return &inputError{fmt.Errorf(format, args...)} }

// ExitCode is the code to end with after err.
func ExitCode(err error) int {
	var input *inputError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &input):
		return ExitInput
	}
	return ExitFault
}

// Folders and files under the volume that the steps of a pod share.
func inFolder(data string) string  { return filepath.Join(data, "in") }
func outFolder(data string) string { return filepath.Join(data, "out") }
func factsFile(data string) string { return filepath.Join(data, "meta", "input.json") }

// gateway is the gateway's pod port.
type gateway struct {
	url       string
	tokenFile string
	client    *http.Client
	direct    *http.Client // of the bucket, at an address that the gateway has signed
	noDirect  bool         // that has not worked: a pod that cannot reach the bucket should not find that out again
	backoff   backoff
	// traceparent is of this container's span, which the manager makes: requests to the gateway are below it.
	traceparent string
}

// reachWithin is how long the bucket may take to be reached. It may be that no pod can: what a pod may connect to is
// the installation's choice.
const reachWithin = 5 * time.Second

func newGateway(url, tokenFile string, b backoff) *gateway {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the gateway is in the cluster, and a token must not go to a proxy
	transport.ResponseHeaderTimeout = 90 * time.Second
	direct := transport.Clone()
	direct.DialContext = (&net.Dialer{Timeout: reachWithin}).DialContext
	return &gateway{
		direct:    &http.Client{Transport: direct},
		url:       strings.TrimSuffix(url, "/"),
		tokenFile: tokenFile,
		client:    &http.Client{Transport: transport, CheckRedirect: neverRedirect},
		backoff:   b,

		traceparent: os.Getenv(podapi.EnvTraceparent),
	}
}

// neverRedirect leaves redirects to the caller: the token is for the gateway only.
func neverRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// do sends one request with the pod's token and returns an answer of status 200, or to a GET 307 where the gateway
// sends elsewhere, or an error that tells whether another try is worth it.
func (g *gateway) do(ctx context.Context, method, path string, body io.Reader, size int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, g.url+path, body)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(g.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the pod's token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if g.traceparent != "" {
		request.Header.Set(podapi.HeaderTraceparent, g.traceparent)
	}
	request.ContentLength = size
	response, err := g.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, temporary("the gateway cannot be reached: %w", err)
	}
	elsewhere := method == http.MethodGet && response.StatusCode == http.StatusTemporaryRedirect
	if response.StatusCode == http.StatusOK || elsewhere {
		return response, nil
	}
	defer response.Body.Close()
	refusal := readRefusal(response)
	if worthRetrying(response.StatusCode) {
		return nil, &temporaryError{refusal}
	}
	return nil, refusal
}

// refusedError is an answer of the gateway that is no success.
type refusedError struct {
	status int
	reason string
	detail string
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("the gateway answered %d (%s): %s", e.status, e.reason, e.detail)
}

func readRefusal(response *http.Response) error {
	refusal := &refusedError{status: response.StatusCode, reason: "unknown", detail: response.Status}
	content, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	problem := podapi.Problem{}
	if err == nil && json.Unmarshal(content, &problem) == nil && problem.Reason != "" {
		refusal.reason, refusal.detail = problem.Reason, problem.Detail
	}
	return refusal
}

func refusedBecause(err error, reason string) bool {
	var refusal *refusedError
	return errors.As(err, &refusal) && refusal.reason == reason
}
