package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// temporaryBytes measures what an upload takes on disk besides the file itself, while it is under way.
func temporaryBytes(ctx context.Context, b *bench) error {
	measure := func(name string) func(*server, string) error {
		return func(s *server, folder string) error {
			most, err := watchUpload(ctx, s, folder, b.size)
			b.AtMost("temporary_bytes_"+name, float64(most), "bytes", 0)
			return err
		}
	}
	if err := b.withFileGateway(ctx, measure("to_file")); err != nil {
		return err
	}
	// Of what S3 keeps nothing may be open in the gateway.
	return b.withS3Gateway(ctx, func(s *server, _ string) error { return measure("to_s3")(s, "") })
}

// countedBody counts what was taken of it.
type countedBody struct {
	io.Reader
	sent atomic.Int64
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.sent.Add(int64(n))
	return n, err
}

// watchUpload returns the most bytes at a time that were on disk and not the file, and were not there before.
func watchUpload(ctx context.Context, s *server, bucket string, size int64) (most int64, err error) {
	before, err := s.openFiles()
	if err != nil {
		return 0, err
	}
	body := &countedBody{Reader: newPrint(size)}
	done := make(chan error, 1)
	go func() {
		_, err := upload(ctx, s, body, size)
		done <- err
	}()
	for {
		select {
		case err := <-done:
			return most, err
		case <-time.After(5 * time.Millisecond):
		}
		now, err := s.temporaryNow(before, bucket, &body.sent)
		if err != nil {
			return 0, err
		}
		most = max(most, now)
	}
}

// temporaryNow counts what is open and lies outside of the bucket's folder, or has no name; what is in $TMPDIR; and what
// the bucket's folder holds beyond what was sent, as when the file is there twice.
func (s *server) temporaryNow(before map[string]int64, bucket string, sent *atomic.Int64) (n int64, err error) {
	open, err := s.openFiles()
	if err != nil {
		return 0, err
	}
	for name, size := range open {
		_, old := before[name]
		inBucket := bucket != "" && strings.HasPrefix(name, bucket+"/") && !strings.HasSuffix(name, " (deleted)")
		if !old && !inBucket {
			n += size
		}
	}
	inTemporary, err := folderBytes(s.temporary)
	if err != nil || bucket == "" {
		return n + inTemporary, err
	}
	inBucket, err := folderBytes(bucket)
	return n + inTemporary + max(0, inBucket-sent.Load()), err
}

// openFiles are the regular files that the gateway has open, by what the kernel calls them, and their bytes.
func (s *server) openFiles() (map[string]int64, error) {
	entries, err := os.ReadDir(s.proc("fd"))
	if err != nil {
		return nil, err
	}
	open := map[string]int64{}
	for _, entry := range entries {
		fd := filepath.Join(s.proc("fd"), entry.Name())
		name, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(name, "/") { // closed meanwhile; or a socket or the like
			continue
		}
		if info, err := os.Stat(fd); err == nil && info.Mode().IsRegular() {
			open[name] = info.Size()
		}
	}
	return open, nil
}

// folderBytes are the bytes of the files in a folder, each once, however many names it has.
func folderBytes(folder string) (n int64, err error) {
	var seen []fs.FileInfo
	err = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreGone(err)
		}
		for _, other := range seen {
			if os.SameFile(info, other) {
				return nil
			}
		}
		seen = append(seen, info)
		n += info.Size()
		return nil
	})
	return n, err
}

func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
