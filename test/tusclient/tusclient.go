// Package tusclient uploads by the tus protocol over connections that it cuts where it is told to.
package tusclient

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Client sends each request to one of several servers.
type Client struct {
	Server func() string                              // host:port of the next request
	Chunk  int64                                      // bytes of a request
	Cut    func(length int64) (after int64, cut bool) // whether to cut a request of a length, and after how many bytes
	Failed func(error) error                          // what to do about a request that failed; nil gives up
}

// Result is what an upload came to.
type Result struct {
	JobID string
	Sent  int64 // bytes of all requests
	Cuts  int
}

// Upload sends content until the job is made, however often it is cut.
func (c *Client) Upload(ctx context.Context, name string, content io.ReaderAt, size int64) (*Result, error) {
	location, err := c.create(ctx, name, size)
	if err != nil {
		return nil, err
	}
	result := &Result{}
	for {
		offset, jobID, err := c.offset(ctx, location)
		if err != nil {
			if err = c.failed(err); err != nil {
				return result, err
			}
			continue
		}
		if jobID != "" {
			result.JobID = jobID
			return result, nil
		}
		length := min(c.Chunk, size-offset)
		after, cut := c.Cut(length)
		if !cut {
			after = length
		}
		sent, err := c.patch(ctx, location, offset, length, io.NewSectionReader(content, offset, after), cut)
		result.Sent += sent
		if cut {
			result.Cuts++
		}
		if err != nil {
			if err = c.failed(err); err != nil {
				return result, err
			}
		}
	}
}

func (c *Client) failed(err error) error {
	if c.Failed == nil {
		return err
	}
	return c.Failed(err)
}

func (c *Client) create(ctx context.Context, name string, size int64) (location string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.Server()+"/api/v1/uploads/", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Tus-Resumable", "1.0.0")
	request.Header.Set("Upload-Length", strconv.FormatInt(size, 10))
	request.Header.Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(name)))
	header, err := headerOf(request, http.StatusCreated)
	return header.Get("Location"), err
}

// headerOf sends a request and returns the header of an answer with a status.
func headerOf(request *http.Request, status int) (http.Header, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != status {
		return nil, fmt.Errorf("%s answered %s", request.Method, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.Header, err
}

func (c *Client) offset(ctx context.Context, location string) (offset int64, jobID string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+c.Server()+location, nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Tus-Resumable", "1.0.0")
	header, err := headerOf(request, http.StatusOK)
	if err != nil {
		return 0, "", err
	}
	offset, err = strconv.ParseInt(header.Get("Upload-Offset"), 10, 64)
	return offset, header.Get("Upload-Job-Id"), err
}

// patch sends one request over a connection of its own. It announces length bytes; if it is to be cut it closes the
// connection behind what there is. A server that keeps none of the bytes is no error: the next HEAD tells.
func (c *Client) patch(
	ctx context.Context, location string, offset, length int64, body io.Reader, cut bool,
) (sent int64, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Server())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: %d\r\n"+
		"Content-Type: application/offset+octet-stream\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
		location, conn.RemoteAddr(), offset, length)
	if err != nil {
		return 0, err
	}
	sent, err = io.Copy(conn, body)
	if cut || err != nil { // or the server was first, because another request has brought these bytes
		return sent, nil
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return sent, fmt.Errorf("PATCH: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return sent, fmt.Errorf("PATCH: %w", err)
	}
	switch response.StatusCode {
	case http.StatusNoContent, http.StatusConflict, http.StatusLocked: // or one that was cut came late
		return sent, nil
	}
	return sent, fmt.Errorf("PATCH answered %s: %s", response.Status, answer)
}
