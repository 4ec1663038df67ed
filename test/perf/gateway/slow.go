package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bricklayers.dev/bricklayers/test/perf/figure"
)

const (
	slowClients = 10_000
	// slowPause is the time between two bytes of a connection.
	slowPause = 4 * time.Second
	// slowLife bounds a connection: the gateway's 10 s for a header or 30 s for 32 KiB of a body, and some for a machine
	// that is busy.
	slowLife = 45 * time.Second
	// slowMeasured is how long others are measured once all connections are open; those that are cut come back meanwhile.
	slowMeasured = 15 * time.Second
)

// slowAttack is many connections that send a byte now and then, half of them of a header and half of a body.
type slowAttack struct {
	address string
	open    atomic.Int64
	cuts    atomic.Int64
	uncut   atomic.Int64
	failed  atomic.Int64 // to connect
	stopped atomic.Bool  // those that are cut do not come back
	all     sync.WaitGroup
}

// slowConnections measures what others see of an attack, and whether it ends.
func slowConnections(ctx context.Context, b *bench) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	// A body takes the gateway two, one for its file. Go programs raise the limit of their own accord to what they may.
	if need := uint64(slowClients*3/2 + 1000); limit.Max < need {
		fmt.Fprintf(os.Stderr, "bench gateway: no slow connections: a process may have %d files open at most (ulimit -Hn), "+
			"and they need %d\n", limit.Max, need)
		return nil
	}
	return b.withFileGateway(ctx, func(s *server, _ string) error {
		location, err := upload(ctx, s, newPrint(1<<20), 1<<20)
		if err != nil {
			return err
		}
		if err := b.others(ctx, s, location, "before_slow_connections"); err != nil {
			return err
		}
		attack := &slowAttack{address: s.address}
		for i := range slowClients {
			attack.all.Go(func() { attack.connection(ctx, i) })
			time.Sleep(200 * time.Microsecond) // they would all be cut in the same moment
		}
		for end := time.Now().Add(time.Minute); attack.open.Load() < slowClients*95/100; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				return fmt.Errorf("of %d slow connections only %d are open", slowClients, attack.open.Load())
			}
		}
		return b.underAttack(ctx, s, location, attack)
	})
}

func (b *bench) underAttack(ctx context.Context, s *server, location string, attack *slowAttack) error {
	opened := attack.open.Load()
	if err := b.others(ctx, s, location, "with_slow_connections"); err != nil {
		return err
	}
	attack.stopped.Store(true)
	attack.all.Wait()
	after, err := s.rss()
	if err != nil {
		return err
	}
	peak, err := s.peakRSS()
	if err != nil {
		return err
	}
	b.Info("slow_connections_open", float64(opened), "")
	b.Info("slow_connections_cut", float64(attack.cuts.Load()), "")
	b.Info("slow_connections_refused", float64(attack.failed.Load()), "")
	b.AtMost("slow_connections_not_cut", float64(attack.uncut.Load()), "", 0)
	b.Info("rss_peak_slow_connections", peak, "bytes")
	b.Info("rss_after_slow_connections", after, "bytes")
	return nil
}

// others measures what status requests and uploads at a moderate pace take.
func (b *bench) others(ctx context.Context, s *server, location, when string) error {
	const size = 1 << 20
	measured, cancel := context.WithTimeout(ctx, slowMeasured)
	defer cancel()
	var uploads []float64
	failed := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; measured.Err() == nil; time.Sleep(100 * time.Millisecond) {
			started := time.Now()
			if _, err := upload(ctx, s, newPrint(size), size); err != nil {
				fmt.Fprintf(os.Stderr, "bench gateway: an upload %s: %v\n", when, err)
				failed++
			}
			uploads = append(uploads, milliseconds(time.Since(started)))
		}
	}()
	status, err := askStatus(measured, s, func() string { return location }, 4, 10*time.Millisecond)
	<-done
	if err != nil {
		return err
	}
	b.Info("status_p50_"+when, figure.Median(status), "ms")
	b.AtMost("status_p99_"+when, figure.Quantile(status, 0.99), "ms", statusP99Bar)
	b.Info("upload_p50_"+when, figure.Median(uploads), "ms")
	b.Info("upload_p99_"+when, figure.Quantile(uploads, 0.99), "ms")
	b.AtMost("uploads_failed_"+when, float64(failed), "", 0)
	return nil
}

// connection opens a connection and trickles; when it is cut it comes back, until the attack stops.
func (a *slowAttack) connection(ctx context.Context, i int) {
	for first := true; first || !a.stopped.Load() && ctx.Err() == nil; first = false {
		conn, err := (&net.Dialer{Timeout: slowLife}).DialContext(ctx, "tcp", a.address)
		if err != nil {
			a.failed.Add(1)
			return
		}
		a.open.Add(1)
		cut := trickle(conn, i%2 == 0)
		a.open.Add(-1)
		_ = conn.Close()
		if cut {
			a.cuts.Add(1)
		} else {
			a.uncut.Add(1)
		}
	}
}

// trickle sends bytes of a header or a body until the other side ends the connection, and tells whether it did.
func trickle(conn net.Conn, header bool) (cut bool) {
	beginning := "POST /api/v1/upload?name=a.gcode HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000000\r\n"
	if !header {
		beginning += "\r\n" + string(printBlock[:1024])
	}
	if _, err := conn.Write([]byte(beginning)); err != nil {
		return true
	}
	answer := make([]byte, 512)
	for end := time.Now().Add(slowLife); time.Now().Before(end); {
		// The pause is a read: whatever the gateway says, an answer or the end, it is through with the connection.
		if err := conn.SetReadDeadline(time.Now().Add(slowPause)); err != nil {
			return true
		}
		if _, err := conn.Read(answer); !errors.Is(err, os.ErrDeadlineExceeded) {
			return true
		}
		if _, err := conn.Write([]byte("G")); err != nil {
			return true
		}
	}
	return false
}
