package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"bricklayers.dev/bricklayers/internal/podapi"
)

// Where the bucket signs addresses, bytes go between pod and bucket. What does not work goes through the gateway.

// getDirectly opens what is at an address that the gateway has signed.
func (g *gateway) getDirectly(ctx context.Context, address string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return g.doDirectly(request)
}

// putDirectly puts a file where the gateway has said.
func (g *gateway) putDirectly(ctx context.Context, signed *podapi.SignedPut, body io.Reader, size int64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, signed.URL, body)
	if err != nil {
		return err
	}
	for name, value := range signed.Header {
		request.Header.Set(name, value)
	}
	request.ContentLength = size
	response, err := g.doDirectly(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// directError is the bucket's: what does not work between pod and bucket can still go through the gateway.
type directError struct{ error }

func (e *directError) Unwrap() error { return e.error }

func (g *gateway) doDirectly(request *http.Request) (*http.Response, error) {
	response, err := g.direct.Do(request)
	if err != nil {
		if request.Context().Err() != nil {
			return nil, request.Context().Err()
		}
		return nil, &directError{temporary("the bucket cannot be reached: %w", err)}
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	detail, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		detail = fmt.Append(nil, err)
	}
	return nil, &directError{temporary("the bucket answered %s: %s", response.Status, detail)}
}
