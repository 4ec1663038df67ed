package storage

import (
	"context"
	"errors"
	"mime"
	"os"
	"path"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Writer writes one object. Nobody sees anything of it before Commit, and nothing is left of it after Abort.
type Writer struct {
	store  *Store
	key    string
	blob   *blob.Writer
	steps  *stallable
	once   bool     // Commit fails when the object exists
	file   *os.File // what a file:// bucket writes to until Commit
	memory int64    // bytes reserved
	done   bool
}

const (
	// partSize is what a write sends at a time: the least that S3 takes.
	partSize = 5 << 20
	// memoryPerWrite is the first part, one on its way and one being filled.
	memoryPerWrite = 3 * partSize
	// memoryWait is how long a write waits for memory: a client's patience.
	memoryWait = 20 * time.Second
)

// Create begins an object that must not exist: Commit returns ErrExists when it does, and then changes nothing. It
// returns ErrBusy when too many writes hold memory for too long.
func (s *Store) Create(ctx context.Context, key string) (*Writer, error) {
	return s.reserved(ctx, key, true)
}

// Replace is Create for an object that takes the place of one of the same key.
func (s *Store) Replace(ctx context.Context, key string) (*Writer, error) {
	return s.reserved(ctx, key, false)
}

// createSmall is Create for a few bytes, without waiting for the memory that files need.
func (s *Store) createSmall(ctx context.Context, key string, content []byte) error {
	return s.writeSmall(ctx, key, content, true)
}

func (s *Store) writeSmall(ctx context.Context, key string, content []byte, once bool) error {
	w, err := s.write(ctx, key, once, 0)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Commit()
}

// reserved takes memory for one write of a file, then begins it.
func (s *Store) reserved(ctx context.Context, key string, once bool) (*Writer, error) {
	if s.memory == nil {
		return s.write(ctx, key, once, 0)
	}
	waiting, cancel := context.WithTimeout(ctx, memoryWait)
	defer cancel()
	if err := s.memory.Acquire(waiting, memoryPerWrite); err != nil {
		return nil, errors.Join(ErrBusy, ctx.Err())
	}
	return s.write(ctx, key, once, memoryPerWrite)
}

func (s *Store) write(ctx context.Context, key string, once bool, memory int64) (*Writer, error) {
	steps := newStallable(ctx)
	w := &Writer{store: s, key: key, steps: steps, once: once, memory: memory}
	options := &blob.WriterOptions{
		ContentType:        contentType, // or the first bytes would be held back to guess it
		ContentDisposition: disposition(key),
		BufferSize:         partSize,
		MaxConcurrency:     1,
		IfNotExist:         once && s.dir == "", // fileblob's is a check before a rename; see commitFile
		BeforeWrite: func(as func(any) bool) error {
			as(&w.file)
			s.tuneS3(as)
			return nil
		},
	}
	var err error
	// The folder may be pruned between its making and the file's.
	for range 3 {
		if w.blob, err = s.bucket.NewWriter(steps, key, options); gcerrors.Code(err) != gcerrors.NotFound {
			break
		}
	}
	if err != nil {
		w.end()
		return nil, wrap("write", key, err)
	}
	return w, nil
}

const contentType = "application/octet-stream"

// disposition is for whoever reads an object by a signed address.
func disposition(key string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(key)})
}

// end gives back what the write holds.
func (w *Writer) end() {
	w.done = true
	w.steps.cancel(nil)
	if w.memory > 0 {
		w.store.memory.Release(w.memory)
	}
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	err = w.steps.step(func() (err error) {
		n, err = w.blob.Write(p)
		return err
	})
	if err != nil {
		err = wrap("write", w.key, err)
	}
	return n, err
}

// Commit makes the object durable and visible, in that order. When it fails nothing is left.
func (w *Writer) Commit() error {
	defer w.end()
	if w.file != nil {
		return w.commitFile()
	}
	if err := w.steps.step(w.blob.Close); err != nil {
		return wrap("commit", w.key, err)
	}
	return nil
}

// Abort drops the object unless it was committed.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.drop()
	w.end()
	w.store.pruneAbove(w.key)
}

// drop has the driver take back what was written: to close a writer whose context is cancelled is how gocloud does it,
// and the error it then returns says no more than that.
func (w *Writer) drop() {
	w.steps.cancel(nil)
	_ = w.blob.Close()
}
