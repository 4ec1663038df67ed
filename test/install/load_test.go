package install_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a client goes on trying one request.
const patience = 2 * time.Minute

// load is people who upload, wait and download, one job after the other, and never try again what was not safe to try
// again: an upload carries an Idempotency-Key, everything else is a GET.
type load struct {
	client   *http.Client
	address  string       // of the gateway
	requests atomic.Int64 // that were answered
	retries  atomic.Int64
	longest  atomic.Int64 // time from the first try of a request to its answer, in nanoseconds
	done     atomic.Int64 // jobs uploaded, completed, downloaded and compared

	mu     sync.Mutex
	faults []string
	jobs   map[string]string // id by Idempotency-Key
}

// startLoad starts some clients; the function that it returns lets each finish its job and waits for that.
func startLoad(t *testing.T, address string, clients int) (*load, func()) {
	t.Helper()
	l := &load{client: &http.Client{Timeout: time.Minute}, address: address, jobs: map[string]string{}}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-t.Context().Done():
					return // a step failed: nobody asks for the rest
				default:
					l.oneJob(t.Context(), fmt.Sprintf("upgrade-client-%02d-job-%04d", client, n), client == 0 && clients > 1)
				}
			}
		})
	}
	return l, func() {
		close(stop)
		wg.Wait()
	}
}

func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// Of some clients one is on a slow line, so that there is always an upload or a download that takes longer than a pod's
// successor takes to be ready.
const (
	slowBytes = 12 << 20
	slowRate  = 1 << 20 // bytes a second
)

// slowly is a reader at the pace of a slow line.
type slowly struct{ io.Reader }

func (s slowly) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), 64<<10)])
	time.Sleep(time.Duration(n) * time.Second / slowRate)
	return n, err
}

// oneJob sends bytes that no other job has and wants them back.
func (l *load) oneJob(ctx context.Context, key string, slow bool) {
	size, line := 100<<10, func(r io.Reader) io.Reader { return r }
	if slow {
		size, line = slowBytes, func(r io.Reader) io.Reader { return slowly{r} }
	}
	content := bytes.Repeat([]byte(key+"\n"), size/len(key))
	var job struct {
		ID      string `json:"job_id"`
		Status  any    `json:"status"`
		Message string `json:"message"`
	}
	status, body := l.try(ctx, line, func() (*http.Request, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.address+"/api/v1/upload?processor=copy", line(bytes.NewReader(content)))
		if err == nil {
			request.ContentLength = int64(len(content))
			request.Header.Set("Content-Type", "application/octet-stream")
			request.Header.Set("Content-Disposition", `attachment; filename="a.bin"`)
			request.Header.Set("Idempotency-Key", key)
		}
		return request, err
	})
	if err := json.Unmarshal(body, &job); err != nil || (status != http.StatusCreated && status != http.StatusOK) {
		l.fail("upload %s answered %d %s (%v)", key, status, body, err)
		return
	}
	l.mu.Lock()
	l.jobs[key] = job.ID
	l.mu.Unlock()
	for job.Status != "Completed" {
		if job.Status == "Error" || job.Status == "Timeout" {
			l.fail("job %s (%s) ended as %v: %s", job.ID, key, job.Status, job.Message)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(300 * time.Millisecond): // the pace of a person's page
		}
		status, body = l.get(ctx, line, "/api/v1/status/"+job.ID)
		if err := json.Unmarshal(body, &job); err != nil || status != http.StatusOK {
			l.fail("status of %s (%s) answered %d %s (%v)", job.ID, key, status, body, err)
			return
		}
	}
	status, body = l.get(ctx, line, "/api/v1/download/"+job.ID)
	if status != http.StatusOK || !bytes.Equal(body, content) {
		l.fail("download of %s (%s) answered %d and %d bytes", job.ID, key, status, len(body))
		return
	}
	l.done.Add(1)
}

func (l *load) get(ctx context.Context, line func(io.Reader) io.Reader, path string) (int, []byte) {
	return l.try(ctx, line, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, l.address+path, nil)
	})
}

// try sends a request that is safe to send again until it is answered by other than "not now".
func (l *load) try(ctx context.Context, line func(io.Reader) io.Reader, build func() (*http.Request, error)) (int, []byte) {
	start := time.Now()
	for {
		status, body, err := l.once(line, build)
		if err == nil && status < 500 && status != http.StatusTooManyRequests {
			l.requests.Add(1)
			if took := int64(time.Since(start)); took > l.longest.Load() {
				l.longest.Store(took)
			}
			return status, body
		}
		if ctx.Err() != nil || time.Since(start) > patience {
			return status, fmt.Appendf(body, " after %s: %v", time.Since(start).Round(time.Second), err)
		}
		l.retries.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (l *load) once(line func(io.Reader) io.Reader, build func() (*http.Request, error)) (int, []byte, error) {
	request, err := build()
	if err != nil {
		return 0, nil, err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(line(response.Body))
	return response.StatusCode, body, err
}
