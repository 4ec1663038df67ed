package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"bricklayers.dev/bricklayers/internal/netguard"
	"bricklayers.dev/bricklayers/internal/podapi"
)

const maxRedirects = 5

func (f *Fetch) fromURL(ctx context.Context) (facts *podapi.File, err error) {
	client := f.guardedClient()
	err = f.backoff.retry(ctx, func() error {
		facts, err = f.get(ctx, client)
		return err
	})
	return facts, err
}

// guardedClient connects to allowed addresses only, for every redirect, too.
func (f *Fetch) guardedClient() *http.Client {
	return &http.Client{
		Transport: f.guard().Transport(),
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return inputFault("more than %d redirects", maxRedirects)
			}
			return f.checkURL(request.URL)
		},
	}
}

func (f *Fetch) guard() netguard.Guard { return netguard.Guard{Allow: f.AllowCIDRs} }

func (f *Fetch) checkURL(u *url.URL) error {
	if err := f.guard().CheckURL(u); err != nil {
		return inputFault("%w", err)
	}
	return nil
}

func (f *Fetch) get(ctx context.Context, client *http.Client) (*podapi.File, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return nil, inputFault("%w", err)
	}
	if err := f.checkURL(request.URL); err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "bricklayers")
	response, err := client.Do(request)
	if err != nil {
		return nil, fetchError(ctx, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
	case worthRetrying(response.StatusCode) && response.StatusCode != http.StatusUnauthorized:
		return nil, temporary("%s answered %s", request.URL.Redacted(), response.Status)
	default:
		return nil, inputFault("%s answered %s", request.URL.Redacted(), response.Status)
	}
	if f.MaxSize > 0 && response.ContentLength > f.MaxSize {
		return nil, inputFault("the input has %d bytes; the processor takes %d", response.ContentLength, f.MaxSize)
	}
	return f.save(response.Body)
}

// fetchError tells what a later try can mend from what it cannot.
func fetchError(ctx context.Context, err error) error {
	var input *inputError
	var refused *netguard.RefusedError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refused):
		return inputFault("the address %s is none that an input may come from: %w", refused.Address, err)
	case errors.As(err, &input):
		return inputFault("%w", err)
	}
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return inputFault("the host of the input is not known: %w", err)
	}
	return temporary("%w", fmt.Errorf("the input cannot be fetched: %w", err))
}
