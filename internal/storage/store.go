// Package storage keeps the bytes of jobs in a bucket: what the keys are, when a write is durable, and that a result is
// committed once.
package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound = errors.New("not in the bucket")
	ErrExists   = errors.New("already in the bucket")
	ErrFull     = errors.New("the bucket is full")
	ErrBusy     = errors.New("too many writes at once")
)

// Store is a bucket.
type Store struct {
	bucket *blob.Bucket
	name   string     // of the bucket, as its URL has it
	prefix string     // of all keys, as the URL has it: what does not go through bucket must add it
	query  url.Values // of the URL
	dir    string     // root folder of a file:// bucket, else ""
	memory *budget    // of any other bucket's writes

	refuses atomic.Bool // to overwrite; see Probe
}

// Open opens the bucket of a URL such as file:///var/lib/bricklayers, whose folder is made where it is missing. Writes
// to a bucket that is not a folder hold parts of a file in memory: writeMemory bounds the bytes of all of them
// together.
func Open(ctx context.Context, bucketURL string, writeMemory int64) (*Store, error) {
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, fmt.Errorf("bucket address: %w", err)
	}
	s := &Store{name: u.Host, prefix: u.Query().Get("prefix"), query: u.Query()}
	if u.Scheme == "file" {
		if s.dir, err = prepareFileURL(u); err != nil {
			return nil, err
		}
	} else if s.memory, err = newBudget(writeMemory); err != nil {
		return nil, err
	}
	if s.bucket, err = blob.OpenBucket(ctx, u.String()); err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", u.Redacted(), err)
	}
	return s, nil
}

// Close releases the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

// Object is an object that is open for reading.
type Object struct {
	// ReadSeeker reads it. Of a file:// bucket it is an *os.File, which the kernel can send without copying.
	io.ReadSeeker
	Size    int64
	ModTime time.Time

	reader *blob.Reader
	steps  *stallable
}

// Close ends the reading.
func (o *Object) Close() error {
	err := o.reader.Close()
	o.steps.cancel(nil)
	return err
}

// Open opens an object, or returns ErrNotFound.
func (s *Store) Open(ctx context.Context, key string) (*Object, error) {
	steps := newStallable(ctx)
	var r *blob.Reader
	err := steps.step(func() (err error) {
		r, err = s.bucket.NewReader(steps, key, nil)
		return err
	})
	if err != nil {
		steps.cancel(nil)
		return nil, wrap("open", key, err)
	}
	object := &Object{
		ReadSeeker: &stallableReader{r, steps}, Size: r.Size(), ModTime: r.ModTime(), reader: r, steps: steps,
	}
	var plain io.Reader
	if r.As(&plain) {
		if file, ok := plain.(*os.File); ok {
			object.ReadSeeker = file
		}
	}
	return object, nil
}

// Stat returns an object's size and time, or ErrNotFound.
func (s *Store) Stat(ctx context.Context, key string) (size int64, modTime time.Time, err error) {
	var attributes *blob.Attributes
	err = oneStep(ctx, func(ctx context.Context) (err error) {
		attributes, err = s.bucket.Attributes(ctx, key)
		return err
	})
	if err != nil {
		return 0, time.Time{}, wrap("stat", key, err)
	}
	return attributes.Size, attributes.ModTime, nil
}

// Delete deletes an object, and in a file:// bucket the folders that it leaves empty; or returns ErrNotFound.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := oneStep(ctx, func(ctx context.Context) error { return s.bucket.Delete(ctx, key) }); err != nil {
		return wrap("delete", key, err)
	}
	s.pruneAbove(key)
	return nil
}

// Probe finds out whether the bucket can be written, by writing and deleting a small object; until that is known, also
// whether it refuses to write an object that exists, which not every store that speaks S3 does.
func (s *Store) Probe(ctx context.Context) error {
	key := probePrefix + rand.Text()
	if err := s.createSmall(ctx, key, []byte("probe")); err != nil {
		return err
	}
	if !s.refuses.Load() {
		switch err := s.createSmall(ctx, key, []byte("probe")); {
		case err == nil:
			return errors.Join(errOverwrites, s.Delete(ctx, key))
		case !errors.Is(err, ErrExists):
			return err
		}
		s.refuses.Store(true)
	}
	return s.Delete(ctx, key)
}

var errOverwrites = errors.New("the bucket overwrites an object that it was asked to write only where there is none " +
	"(If-None-Match: *), so a second result could take the place of a first: use a store that knows conditional writes")

// wrap names what failed and turns what callers act on into this package's errors.
func wrap(action, key string, err error) error {
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound, errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s %s: %w", action, key, ErrNotFound)
	case gcerrors.Code(err) == gcerrors.FailedPrecondition, isRefusedByS3(err):
		return fmt.Errorf("%s %s: %w", action, key, ErrExists)
	case isFull(err):
		return fmt.Errorf("%s %s: %w: %w", action, key, ErrFull, err)
	}
	return fmt.Errorf("%s %s: %w", action, key, err)
}
