package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	gcs "cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// Listed is an object as Walk finds it.
type Listed struct {
	Key     string
	Size    int64
	ModTime time.Time
}

// Walk calls visit for every object under the product's prefixes until visit returns an error. The order is always the
// same, so that a walk that was interrupted can go on after the last key it visited; "" begins at the beginning. Objects
// that come or go meanwhile may be missed.
func (s *Store) Walk(ctx context.Context, after string, visit func(Listed) error) error {
	for _, prefix := range prefixes {
		if after != "" && !strings.HasPrefix(after, prefix) && prefix < after {
			continue
		}
		if err := s.listUnder(ctx, prefix, after, visit); err != nil {
			return err
		}
	}
	return nil
}

// listUnder calls visit for each object whose key begins with a prefix, which in a folder must end where a name does, and
// comes after another key.
func (s *Store) listUnder(ctx context.Context, prefix, after string, visit func(Listed) error) error {
	if s.dir != "" {
		return s.walkFiles(ctx, prefix, after, visit)
	}
	return s.listObjects(ctx, prefix, after, visit)
}

// listObjects is listUnder in the order of the keys' bytes.
func (s *Store) listObjects(ctx context.Context, prefix, after string, visit func(Listed) error) error {
	it := s.bucket.List(&blob.ListOptions{Prefix: prefix, BeforeList: s.beginAfter(after)})
	for {
		var object *blob.ListObject
		err := oneStep(ctx, func(ctx context.Context) (err error) {
			object, err = it.Next(ctx)
			return err
		})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return wrap("list", prefix, err)
		}
		if object.Key <= after { // the bucket did not know how to leave it out
			continue
		}
		if err := visit(Listed{object.Key, object.Size, object.ModTime}); err != nil {
			return err
		}
	}
}

// beginAfter has the bucket leave out what comes before a key, where it can.
func (s *Store) beginAfter(after string) func(as func(any) bool) error {
	if after == "" {
		return nil
	}
	return func(as func(any) bool) error {
		var input *s3.ListObjectsV2Input
		var query *gcs.Query
		switch {
		case as(&input):
			if input.ContinuationToken == nil {
				input.StartAfter = aws.String(s.prefix + after)
			}
		case as(&query):
			query.StartOffset = s.prefix + after
		}
		return nil
	}
}

// walkFiles is listUnder without fileblob's listing, which starts from the root again for every page, and fails when a
// file goes away under it. Its order is that of the folders.
func (s *Store) walkFiles(ctx context.Context, prefix, after string, visit func(Listed) error) error {
	passed := strings.Split(after, "/")
	err := filepath.WalkDir(s.path(prefix), func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // went away meanwhile
		}
		if err != nil {
			return err
		}
		key, err := filepath.Rel(s.dir, name)
		if err != nil {
			return err
		}
		key = filepath.ToSlash(key)
		parts := strings.Split(key, "/")
		if entry.IsDir() {
			if after != "" && slices.Compare(parts, passed[:min(len(parts), len(passed))]) < 0 {
				return fs.SkipDir
			}
			s.pruneAbove(key + "/")
			return nil
		}
		if after != "" && slices.Compare(parts, passed) <= 0 {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return visit(Listed{key, info.Size(), info.ModTime()})
	})
	if err != nil {
		return fmt.Errorf("walk %s: %w", prefix, err)
	}
	return nil
}
