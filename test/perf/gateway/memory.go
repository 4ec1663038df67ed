package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	memoryUploads = 64
	memoryBar     = 64 << 20 // bytes
	slowTime      = 10 * time.Second
)

// memoryToFile measures the peak of many uploads at once into a folder.
func memoryToFile(ctx context.Context, b *bench) error {
	return b.withFileGateway(ctx, func(s *server, _ string) error {
		return b.memory(ctx, s, "to_file", 0)
	})
}

// memoryToS3 is memoryToFile into S3, where parts of each file are held up to a budget. With the first few uploads are
// taken at once; the second has room for most of them.
func memoryToS3(ctx context.Context, b *bench) error {
	for _, budget := range []int64{64 << 20, memoryUploads * 15 << 20} {
		err := b.withS3Gateway(ctx, func(s *server, _ string) error {
			return b.memory(ctx, s, fmt.Sprintf("to_s3_budget_%dMi", budget>>20), budget)
		}, fmt.Sprintf("--upload-memory=%d", budget))
		if err != nil {
			return err
		}
	}
	return nil
}

// memory sends uploads, every second of them by a client on a slow line.
func (b *bench) memory(ctx context.Context, s *server, name string, budget int64) error {
	if err := s.forgetPeak(); err != nil {
		return err
	}
	idle, err := s.peakRSS()
	if err != nil {
		return err
	}
	over := slowTime
	if budget > 0 && budget < memoryUploads*15<<20 {
		over /= 5 // they take turns
	}
	var group errgroup.Group
	for i := range memoryUploads {
		group.Go(func() error { return uploadUntilTaken(ctx, s, b.manySize, over*time.Duration(i%2)) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	peak, err := s.peakRSS()
	if err != nil {
		return err
	}
	b.Info("rss_idle_"+name, idle, "bytes")
	b.AtMost(fmt.Sprintf("rss_peak_%d_uploads_%s", memoryUploads, name), peak, "bytes", memoryBar+float64(budget))
	return nil
}

// uploadUntilTaken tries again where there is no room, as a client does.
func uploadUntilTaken(ctx context.Context, s *server, size int64, over time.Duration) error {
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
		_, err := upload(ctx, s, slowPrint(size, over), size)
		if !errors.Is(err, errBusy) || time.Now().After(end) {
			return err
		}
	}
}
