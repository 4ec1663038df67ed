package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
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
	from := p.at % int64(len(printBlock))
	n := copy(b[:min(int64(len(b)), p.left)], printBlock[from:])
	p.left -= int64(n)
	p.at += int64(n)
	return n, nil
}

func upload(ctx context.Context, s *server, body io.Reader, size int64) (id string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/upload?name=a.gcode",
		io.NopCloser(body))
	if err != nil {
		return "", err
	}
	request.ContentLength = size
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated {
		return "", errors.Join(err, fmt.Errorf("upload answered %s: %s", response.Status, answer))
	}
	return response.Header.Get("Location"), nil
}

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

// throughputRounds alternate between floor and gateway, so that both meet the same moods of the machine.
const throughputRounds = 3

const throughputBar = 0.85

// throughput compares uploads with the floor, by the best of some rounds each.
func throughput(ctx context.Context, s *server, floor string, size int64, parallel int) ([]figure, error) {
	rate := func(one func() error) (float64, error) {
		var group errgroup.Group
		started := time.Now()
		for range parallel {
			group.Go(one)
		}
		err := group.Wait()
		return float64(size) * float64(parallel) / time.Since(started).Seconds(), err
	}
	var best, bestFloor float64
	for range throughputRounds {
		base, err := rate(func() error { return uploadToFloor(ctx, floor, size) })
		if err != nil {
			return nil, err
		}
		got, err := rate(func() error { _, err := upload(ctx, s, newPrint(size), size); return err })
		if err != nil {
			return nil, err
		}
		best, bestFloor = max(best, got), max(bestFloor, base)
		if err := os.RemoveAll(s.bucket + "/jobs"); err != nil {
			return nil, err
		}
	}
	ratio := best / bestFloor
	return []figure{{
		Name: fmt.Sprintf("upload_throughput_%d_parallel", parallel), Value: best, Unit: "bytes/s", Floor: bestFloor,
		Ratio: ratio, Bar: throughputBar, Missed: ratio < throughputBar,
	}}, nil
}

// stampedBody notes when its last byte was taken.
type stampedBody struct {
	io.Reader
	last time.Time
}

func (b *stampedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.last = time.Now()
	return n, err
}

const (
	lastByteUploads = 200
	lastByteBar     = 50 // milliseconds, p99
)

// lastByteToJob measures from the last byte sent to the answer, which comes once file and job are durable.
func lastByteToJob(ctx context.Context, s *server) ([]figure, error) {
	const size = 3 << 20
	var took []time.Duration
	for range lastByteUploads {
		body := &stampedBody{Reader: newPrint(size)}
		if _, err := upload(ctx, s, body, size); err != nil {
			return nil, err
		}
		took = append(took, time.Since(body.last))
	}
	p99 := milliseconds(percentile(took, 0.99))
	return []figure{
		{Name: "last_byte_to_job_p50", Value: milliseconds(percentile(took, 0.5)), Unit: "ms"},
		{Name: "last_byte_to_job_p99", Value: p99, Unit: "ms", Bar: lastByteBar, Missed: p99 > lastByteBar},
	}, nil
}

const (
	statusClients = 8
	statusTime    = 5 * time.Second
	statusBar     = 5000 // requests per second, with the client on the same machine
	statusP99Bar  = 20   // milliseconds
)

func statusRate(ctx context.Context, s *server) ([]figure, error) {
	location, err := upload(ctx, s, newPrint(1<<20), 1<<20)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: statusClients}
	defer transport.CloseIdleConnections()
	var mu sync.Mutex
	var took []time.Duration
	var group errgroup.Group
	end := time.Now().Add(statusTime)
	for range statusClients {
		group.Go(func() error {
			var mine []time.Duration
			for time.Now().Before(end) {
				started := time.Now()
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+location, nil)
				if err != nil {
					return err
				}
				response, err := transport.RoundTrip(request)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, response.Body)
				if closeErr := response.Body.Close(); err != nil || closeErr != nil || response.StatusCode != http.StatusOK {
					return errors.Join(err, closeErr, fmt.Errorf("status answered %s", response.Status))
				}
				mine = append(mine, time.Since(started))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	rate, p99 := float64(len(took))/statusTime.Seconds(), milliseconds(percentile(took, 0.99))
	return []figure{
		{Name: "status_rate", Value: rate, Unit: "requests/s", Bar: statusBar, Missed: rate < statusBar},
		{Name: "status_p99", Value: p99, Unit: "ms", Bar: statusP99Bar, Missed: p99 > statusP99Bar},
	}, nil
}

const (
	memoryUploads = 64
	memoryBar     = 64 << 20 // bytes
)

// memory measures the peak of many uploads at once.
func memory(ctx context.Context, s *server, size int64) ([]figure, error) {
	if err := s.forgetPeak(); err != nil {
		return nil, err
	}
	before, err := s.peakRSS()
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	for range memoryUploads {
		group.Go(func() error { _, err := upload(ctx, s, newPrint(size), size); return err })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	peak, err := s.peakRSS()
	if err != nil {
		return nil, err
	}
	return []figure{
		{Name: "rss_idle", Value: before, Unit: "bytes"},
		{Name: "rss_peak_64_uploads", Value: peak, Unit: "bytes", Bar: memoryBar, Missed: peak > memoryBar},
	}, nil
}

func percentile(took []time.Duration, p float64) time.Duration {
	slices.Sort(took)
	return took[min(len(took)-1, int(p*float64(len(took))))]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
