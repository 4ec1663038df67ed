package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// printBlock is a piece of a print, repeated for any size.
var printBlock = func() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "G1 X%d.%03d Y%d.%03d E.%05d\n", 20+i%150, i%1000, 20+i%140, (i*7)%1000, 100+i%900)
	}
	return b.Bytes()
}()

// print is a print of some size.
type print struct{ left, at int64 }

func newPrint(size int64) *print { return &print{left: size} }

func (p *print) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.ReadAt(b[:min(int64(len(b)), p.left)], p.at)
	p.left -= int64(n)
	p.at += int64(n)
	return n, err
}

// ReadAt reads from a print that has no end.
func (*print) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		n += copy(b[n:], printBlock[(at+int64(n))%int64(len(printBlock)):])
	}
	return n, nil
}

// slowly gives a body over some time, in equal steps.
type slowly struct {
	io.Reader
	step  int
	pause time.Duration
}

const slowSteps = 20

func slowPrint(size int64, over time.Duration) *slowly {
	return &slowly{newPrint(size), int(size/slowSteps) + 1, over / slowSteps}
}

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(s.pause * time.Duration(min(len(p), s.step)) / time.Duration(s.step))
	return s.Reader.Read(p[:min(len(p), s.step)])
}

// errBusy is an answer after which a client is to try again.
var errBusy = errors.New("the gateway has no room at the moment")

// upload returns the path of the job's status.
func upload(ctx context.Context, s *server, body io.Reader, size int64) (location string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url()+"/api/v1/upload?name=a.gcode", io.NopCloser(body))
	if err != nil {
		return "", err
	}
	request.ContentLength = size
	request.Header.Set("Expect", "100-continue")
	response, err := uploads.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if response.StatusCode == http.StatusServiceUnavailable {
		return "", errBusy
	}
	if err != nil || response.StatusCode != http.StatusCreated {
		return "", errors.Join(err, fmt.Errorf("upload answered %s: %s", response.Status, answer))
	}
	return response.Header.Get("Location"), nil
}

var uploads = &http.Transport{ExpectContinueTimeout: time.Minute, MaxIdleConnsPerHost: memoryUploads}

func uploadToFloor(ctx context.Context, address string, size int64) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.Copy(conn, newPrint(size)); err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.ReadAll(conn)
	return err
}

// download takes a file and returns how many bytes it had.
func download(ctx context.Context, url string) (n int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := downloads.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("GET %s answered %s", url, response.Status)
	}
	// Not io.Discard as it is, which takes 8 KiB at a time: the client must not be what is measured.
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, make([]byte, 256<<10))
}

var downloads = &http.Transport{}
