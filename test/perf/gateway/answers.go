package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bricklayers.dev/bricklayers/test/perf/figure"
)

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
func lastByteToJob(ctx context.Context, b *bench) error {
	const size = 3 << 20
	var took []float64
	err := b.withFileGateway(ctx, func(s *server, _ string) error {
		for range lastByteUploads {
			body := &stampedBody{Reader: newPrint(size)}
			if _, err := upload(ctx, s, body, size); err != nil {
				return err
			}
			took = append(took, milliseconds(time.Since(body.last)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.Info("last_byte_to_job_p50", figure.Median(took), "ms")
	b.AtMost("last_byte_to_job_p99", figure.Quantile(took, 0.99), "ms", lastByteBar)
	return nil
}

const (
	statusJobs    = 50_000
	statusClients = 8
	statusTime    = 5 * time.Second
	statusBar     = 5000 // requests per second, with the client on the same machine
	statusP99Bar  = 20   // milliseconds
)

// statusRate asks for any of many jobs. It is the last measurement: the jobs stay.
func statusRate(ctx context.Context, b *bench) error {
	names, err := b.createJobs(ctx, statusJobs)
	if err != nil {
		return err
	}
	return b.withFileGateway(ctx, func(s *server, _ string) error {
		ctx, cancel := context.WithTimeout(ctx, statusTime)
		defer cancel()
		took, err := askStatus(ctx, s, func() string {
			return "/api/v1/status/" + names[rand.IntN(len(names))]
		}, statusClients, 0)
		if err != nil {
			return err
		}
		rss, err := s.rss()
		if err != nil {
			return err
		}
		b.Info(fmt.Sprintf("rss_with_%d_jobs", statusJobs), rss, "bytes")
		b.AtLeast("status_rate", float64(len(took))/statusTime.Seconds(), "requests/s", statusBar)
		b.AtMost("status_p99", figure.Quantile(took, 0.99), "ms", statusP99Bar)
		return nil
	})
}

// askStatus has clients ask for a status until the context ends, with a pause after each answer, and returns how many
// milliseconds each took.
func askStatus(ctx context.Context, s *server, location func() string, clients int, pause time.Duration,
) (took []float64, err error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	var mu sync.Mutex
	var group errgroup.Group
	for range clients {
		group.Go(func() error {
			var mine []float64
			for ; ctx.Err() == nil; time.Sleep(pause) {
				started := time.Now()
				if err := getOnce(transport, s.url()+location()); err != nil {
					return err
				}
				mine = append(mine, milliseconds(time.Since(started)))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			return nil
		})
	}
	err = group.Wait()
	return took, err
}

func getOnce(transport *http.Transport, url string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
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
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
