package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/netguard"
)

const (
	// sendTimeout bounds one try.
	sendTimeout = 15 * time.Second
	// maxAnswer of a receiver is read, so that its connection can be used again.
	maxAnswer = 64 << 10
)

// message is one event. Its id stays the same over all tries, so that a receiver knows it again.
type message struct {
	id, url string
	body    []byte
}

// finalError is a failure that another try cannot mend.
type finalError struct {
	reason string // of the condition
	err    error
}

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// busyError is a receiver's wish not to be asked again before a while.
type busyError struct {
	err   error
	after time.Duration
}

func (e *busyError) Error() string { return e.err.Error() }

// newClient makes a client that goes where the policy allows, and follows nobody elsewhere.
func (p *Policy) newClient() *http.Client {
	return &http.Client{
		Transport:     p.Guard.Transport(),
		Timeout:       sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send tries once.
func (p *Policy) send(ctx context.Context, client *http.Client, m *message, now time.Time) error {
	if err := p.Check(m.url); err != nil {
		return &finalError{v1alpha1.ReasonNotAllowed, err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		return &finalError{v1alpha1.ReasonNotAllowed, err}
	}
	if err := p.sign(request.Header, m, now); err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "bricklayers")
	response, err := client.Do(request)
	var refused *netguard.RefusedError
	if errors.As(err, &refused) {
		return &finalError{v1alpha1.ReasonNotAllowed, err}
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // what it says changes nothing
	return judge(response, now)
}

// sign puts the signatures of a message at this time into a header.
func (p *Policy) sign(header http.Header, m *message, now time.Time) error {
	signers, err := p.signers()
	if err != nil {
		return err
	}
	signatures := make([]string, len(signers))
	for i, signer := range signers {
		if signatures[i], err = signer.Sign(m.id, now, m.body); err != nil {
			return err
		}
	}
	header.Set(standardwebhooks.HeaderWebhookID, m.id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// judge says what an answer means: 2xx is received, 410 that nobody wants to hear it any more, all else to try again.
func judge(response *http.Response, now time.Time) error {
	err := fmt.Errorf("the receiver answered %s", response.Status)
	switch {
	case response.StatusCode >= 200 && response.StatusCode < 300:
		return nil
	case response.StatusCode == http.StatusGone:
		return &finalError{v1alpha1.ReasonGivenUp, err}
	}
	if after := retryAfter(response.Header.Get("Retry-After"), now); after > 0 {
		return &busyError{err, after}
	}
	return err
}

func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return at.Sub(now)
	}
	return 0
}
