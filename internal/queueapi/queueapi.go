// Package queueapi lets the gateway ask the manager about the queue: only the manager knows of the whole installation's
// jobs. Every replica of the manager answers; a standby's queue is warm.
package queueapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Waiting is why a job waits and for how long.
type Waiting struct {
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
	// Position is how many jobs will start before this one, as things stand. nil for a job that is not in the queue.
	Position *int `json:"position,omitempty"`
	// EstimateSeconds is how long it may take until the job starts, by what jobs took lately. nil when nothing is known.
	EstimateSeconds *float64 `json:"estimate_seconds,omitempty"`
}

// ErrNotWaiting says that the manager knows of no such job that waits.
var ErrNotWaiting = errors.New("no such job waits")

const path = "/queue/v1/namespaces/{namespace}/jobs/{name}"

// Handler answers for one replica of the manager. explain returns ErrNotWaiting for a job that does not wait, and any
// other error while it cannot know yet.
func Handler(explain func(context.Context, types.NamespacedName) (*Waiting, error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		waiting, err := explain(r.Context(), types.NamespacedName{
			Namespace: r.PathValue("namespace"), Name: r.PathValue("name"),
		})
		switch {
		case errors.Is(err, ErrNotWaiting):
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(waiting) // the client is gone; nobody is left to tell
	})
	return mux
}

// Client asks a manager.
type Client struct {
	address string // of the manager, without a path
	http    *http.Client
}

// timeout is short, because somebody waits for a page that is as good without the answer.
const timeout = time.Second

// maxAnswer is many times what an answer takes.
const maxAnswer = 64 << 10

// NewClient makes a client of the manager at an address such as http://bricklayers-manager:8082.
func NewClient(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is no address such as http://HOST:8082", address)
	}
	return &Client{address: u.Scheme + "://" + u.Host, http: &http.Client{Timeout: timeout}}, nil
}

// Waiting asks about one job. ErrNotWaiting: the manager knows of no such job that waits.
func (c *Client) Waiting(ctx context.Context, namespace, name string) (*Waiting, error) {
	address := c.address + "/queue/v1/namespaces/" + url.PathEscape(namespace) + "/jobs/" + url.PathEscape(name)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("failed to ask the manager about the queue: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("failed to read the manager's answer about the queue: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return nil, ErrNotWaiting
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the manager answered %s about the queue: %s", response.Status, body)
	}
	waiting := &Waiting{}
	if err := json.Unmarshal(body, waiting); err != nil {
		return nil, fmt.Errorf("failed to read the manager's answer about the queue: %w", err)
	}
	return waiting, nil
}
