package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"bricklayers.dev/bricklayers/test/tusclient"
)

const (
	uploadRounds = 3
	copyBar      = 0.85 // of io.Copy into a file and a hash
	peerBar      = 1.0  // of tusd, of nginx
)

// race compares the gateway with a floor. They take turns, so that both meet the same moods of the machine; the best of
// each counts.
type race struct {
	name           string
	bytes          int64 // that each turn moves
	bar            float64
	rounds         int
	gateway, floor func() error
	tidy           func() error // after each round
}

func (r *race) run(b *bench) error {
	var best, bestFloor float64
	for range r.rounds {
		for _, turn := range []struct {
			take func() error
			best *float64
		}{{r.floor, &bestFloor}, {r.gateway, &best}} {
			started := time.Now()
			if err := turn.take(); err != nil {
				return err
			}
			*turn.best = max(*turn.best, float64(r.bytes)/time.Since(started).Seconds())
		}
		if r.tidy == nil {
			continue
		}
		if err := r.tidy(); err != nil {
			return err
		}
	}
	b.Info(r.name, best, "bytes/s")
	b.Info(r.name+"_floor", bestFloor, "bytes/s")
	b.AtLeast(r.name+"_ratio", best/bestFloor, "", r.bar)
	return nil
}

// empty deletes what is in folders.
func empty(folders ...string) error {
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := os.RemoveAll(filepath.Join(folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// parallel does something so many times at once.
func parallel(times int, do func() error) func() error {
	return func() error {
		var group errgroup.Group
		for range times {
			group.Go(do)
		}
		return group.Wait()
	}
}

// uploadThroughput is against io.Copy into a file and a hash, of one client and of eight.
func uploadThroughput(ctx context.Context, b *bench) error {
	floor, _, err := b.startFloor(ctx, "copy")
	if err != nil {
		return err
	}
	return b.withFileGateway(ctx, func(s *server, folder string) error {
		for _, clients := range []int{1, 8} {
			r := &race{
				name: fmt.Sprintf("upload_throughput_%d_parallel", clients), bytes: b.size * int64(clients), bar: copyBar,
				rounds: uploadRounds,
				floor:  parallel(clients, func() error { return uploadToFloor(ctx, floor, b.size) }),
				gateway: parallel(clients, func() error {
					_, err := upload(ctx, s, newPrint(b.size), b.size)
					return err
				}),
				tidy: func() error { return empty(folder) },
			}
			if err := r.run(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// resumableThroughput is against tusd with its own store, by the same client. tusd neither hashes nor syncs.
func resumableThroughput(ctx context.Context, b *bench) error {
	floor, floorFolder, err := b.startFloor(ctx, "tusd")
	if err != nil {
		return err
	}
	return b.withFileGateway(ctx, func(s *server, folder string) error {
		r := &race{
			name: "resumable_upload_throughput", bytes: b.size, bar: peerBar, rounds: uploadRounds,
			floor:   func() error { return b.resumable(ctx, floor) },
			gateway: func() error { return b.resumable(ctx, s.address) },
			tidy:    func() error { return empty(folder, floorFolder) },
		}
		return r.run(b)
	})
}

func (b *bench) resumable(ctx context.Context, address string) error {
	c := &tusclient.Client{
		Server: func() string { return address },
		Chunk:  b.size,
		Cut:    func(int64) (int64, bool) { return 0, false },
	}
	_, err := c.Upload(ctx, "a.gcode", newPrint(b.size), b.size)
	return err
}
