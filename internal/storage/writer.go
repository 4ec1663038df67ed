package storage

import (
	"context"
	"io"
	"mime"
	"os"
	"path"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Writer writes one object. Nobody sees anything of it before Commit, and nothing is left of it after Abort.
type Writer struct {
	store   *Store
	key     string
	sink    io.WriteCloser
	steps   *stallable
	once    bool     // Commit fails when the object exists
	file    *os.File // what a file:// bucket writes to until Commit
	release func()   // gives back the memory
	done    bool
}

// partSize is what a write sends at a time, in bytes: the least that S3 takes.
const partSize = 5 << 20

// Create begins an object that must not exist, as uploads are: Commit returns ErrExists when it does, and then changes
// nothing. It returns ErrBusy when too many writes hold memory for too long.
func (s *Store) Create(ctx context.Context, key string) (*Writer, error) {
	return s.reserved(ctx, key, true)
}

// Replace is Create for an object that takes the place of one of the same key, as a pod's results do.
func (s *Store) Replace(ctx context.Context, key string) (*Writer, error) {
	return s.reserved(ctx, key, false)
}

// createSmall is Create for a few bytes, without waiting for the memory that files need.
func (s *Store) createSmall(ctx context.Context, key string, content []byte) error {
	return s.writeSmall(ctx, key, content, true)
}

func (s *Store) writeSmall(ctx context.Context, key string, content []byte, once bool) error {
	if client := s.s3(); client != nil {
		err := oneStep(ctx, func(ctx context.Context) error {
			_, err := s.newS3Writer(ctx, client, key, once).put(content)
			return err
		})
		if err != nil {
			return wrap("write", key, err)
		}
		return nil
	}
	w, err := s.write(ctx, key, once, func() {})
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
	release, err := s.memory.acquire(ctx, once)
	if err != nil {
		return nil, err
	}
	return s.write(ctx, key, once, release)
}

func (s *Store) write(ctx context.Context, key string, once bool, release func()) (*Writer, error) {
	steps := newStallable(ctx)
	w := &Writer{store: s, key: key, steps: steps, once: once, release: release}
	if client := s.s3(); client != nil {
		w.sink = s.newS3Writer(steps, client, key, once)
		return w, nil
	}
	var err error
	// The folder may be pruned between its making and the file's.
	for range 3 {
		if w.sink, err = w.open(); gcerrors.Code(err) != gcerrors.NotFound {
			break
		}
	}
	if err != nil {
		w.end()
		return nil, wrap("write", key, err)
	}
	return w, nil
}

// open has gocloud begin the object.
func (w *Writer) open() (io.WriteCloser, error) {
	return w.store.bucket.NewWriter(w.steps, w.key, &blob.WriterOptions{
		ContentType:        contentType, // or the first bytes would be held back to guess it
		ContentDisposition: disposition(w.key),
		BufferSize:         partSize,
		MaxConcurrency:     1,
		IfNotExist:         w.once && w.store.dir == "", // fileblob's is a check before a rename; see commitFile
		BeforeWrite:        func(as func(any) bool) error { as(&w.file); return nil },
	})
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
	w.release()
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	err = w.steps.step(func() (err error) {
		n, err = w.sink.Write(p)
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
	if err := w.steps.step(w.sink.Close); err != nil {
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
	_ = w.sink.Close()
}
