package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Uploads by the tus protocol, 1.0.0 (https://tus.io/protocols/resumable-upload).

const uploadJobHeader = "Upload-Job-Id"

// upload is one file on its way to the gateway.
type upload struct {
	client   *client
	file     *os.File
	size     int64             // bytes
	metadata map[string]string // filename, processor, ...
	kept     *keptUpload
	progress func(sent int64)
}

// run sends the file and returns the id of the job that the gateway made of it.
func (u *upload) run(ctx context.Context) (string, error) {
	pause := newBackoff()
	reached := int64(-1)
	for {
		id, offset, err := u.attempt(ctx)
		if id != "" {
			return id, u.kept.forget()
		}
		if err == nil {
			continue // the gateway took a part: the rest follows
		}
		if !u.worthAnotherTry(err) {
			if ctx.Err() == nil {
				err = errors.Join(err, u.kept.forget())
			}
			return "", err
		}
		if offset > reached {
			reached = offset
			pause.reset()
		}
		if err := pause.wait(ctx, err); err != nil {
			return "", err
		}
	}
}

// attempt creates the upload or asks how far it is, and sends the rest. It returns how far it was.
func (u *upload) attempt(ctx context.Context) (id string, offset int64, err error) {
	if u.kept.URL == "" {
		if err := u.create(ctx); err != nil {
			return "", 0, err
		}
	} else {
		id, offset, err = u.ask(ctx)
		if err != nil || id != "" {
			return id, offset, err
		}
	}
	u.progress(offset)
	id, err = u.patch(ctx, offset)
	return id, offset, err
}

func (u *upload) create(ctx context.Context) error {
	pairs := make([]string, 0, len(u.metadata))
	for key, value := range u.metadata {
		pairs = append(pairs, key+" "+base64.StdEncoding.EncodeToString([]byte(value)))
	}
	slices.Sort(pairs)
	response, err := u.client.do(ctx, http.MethodPost, u.client.address("/api/v1/uploads/", nil), nil,
		"Tus-Resumable", "1.0.0", "Upload-Length", strconv.FormatInt(u.size, 10),
		"Upload-Metadata", strings.Join(pairs, ","), "Idempotency-Key", u.kept.Key)
	if err != nil {
		return err
	}
	response.Body.Close()
	location, err := response.Location()
	if err != nil {
		return fmt.Errorf("the gateway did not say where to send the file: %w", err)
	}
	u.kept.URL = location.RequestURI()
	return u.kept.save()
}

// location is where the upload is, whichever way the gateway is reached now.
func (u *upload) location() (string, error) {
	path, err := url.Parse(u.kept.URL)
	if err != nil {
		return "", fmt.Errorf("the upload's address %q: %w", u.kept.URL, err)
	}
	return u.client.address(path.Path, path.Query()), nil
}

func (u *upload) ask(ctx context.Context) (id string, offset int64, err error) {
	address, err := u.location()
	if err != nil {
		return "", 0, err
	}
	response, err := u.client.do(ctx, http.MethodHead, address, nil, "Tus-Resumable", "1.0.0")
	if response != nil && (response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusGone) {
		u.kept.URL = "" // it has expired: from the start
		return "", 0, u.create(ctx)
	}
	if err != nil {
		return "", 0, err
	}
	response.Body.Close()
	if id := response.Header.Get(uploadJobHeader); id != "" {
		return id, u.size, nil
	}
	offset, err = strconv.ParseInt(response.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset > u.size {
		return "", 0, fmt.Errorf("the gateway says that %q of %d bytes are there", response.Header.Get("Upload-Offset"), u.size)
	}
	return "", offset, nil
}

func (u *upload) patch(ctx context.Context, offset int64) (id string, err error) {
	address, err := u.location()
	if err != nil {
		return "", err
	}
	body := &countingReader{Reader: io.NewSectionReader(u.file, offset, u.size-offset), done: offset, tell: u.progress}
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, address, body)
	if err != nil {
		return "", err
	}
	request.ContentLength = u.size - offset
	if request.ContentLength == 0 {
		request.Body = http.NoBody // all is there, but the job could not be made yet
	}
	request.Header.Set("Tus-Resumable", "1.0.0")
	request.Header.Set("Content-Type", "application/offset+octet-stream")
	request.Header.Set("Upload-Offset", strconv.FormatInt(offset, 10))
	response, err := u.client.send(request)
	if err != nil {
		return "", err
	}
	response.Body.Close()
	return response.Header.Get(uploadJobHeader), nil
}

// worthAnotherTry tells whether to ask how far the upload is and go on. An offset that does not fit, or a lock, is what
// a request leaves behind that the gateway has not given up yet.
func (u *upload) worthAnotherTry(err error) bool {
	var p *problem
	if errors.As(err, &p) && (p.Status == http.StatusConflict && p.Reason == "mismatched_offset" || p.Status == http.StatusLocked) {
		return true
	}
	return retryable(err)
}

// countingReader tells how far it was read.
type countingReader struct {
	io.Reader
	done int64
	tell func(int64)
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.done += int64(n)
	r.tell(r.done)
	return n, err
}
