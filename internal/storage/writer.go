package storage

import (
	"context"
	"os"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Writer writes one object. Nobody sees anything of it before Commit, and nothing is left of it after Abort.
type Writer struct {
	store  *Store
	key    string
	blob   *blob.Writer
	cancel context.CancelFunc
	once   bool     // Commit fails when the object exists
	file   *os.File // what a file:// bucket writes to until Commit
	done   bool
}

// Create begins an object that must not exist: Commit returns ErrExists when it does, and then changes nothing.
func (s *Store) Create(ctx context.Context, key string) (*Writer, error) {
	return s.write(ctx, key, true)
}

// Replace begins an object that takes the place of one of the same key.
func (s *Store) Replace(ctx context.Context, key string) (*Writer, error) {
	return s.write(ctx, key, false)
}

func (s *Store) write(ctx context.Context, key string, once bool) (*Writer, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &Writer{store: s, key: key, cancel: cancel, once: once}
	options := &blob.WriterOptions{
		ContentType: "application/octet-stream", // or the first bytes would be held back to guess it
		IfNotExist:  once && s.dir == "",        // fileblob's is a check before a rename; see commitFile
		BeforeWrite: func(as func(any) bool) error {
			as(&w.file)
			return nil
		},
	}
	var err error
	// The folder may be pruned between its making and the file's.
	for range 3 {
		if w.blob, err = s.bucket.NewWriter(ctx, key, options); gcerrors.Code(err) != gcerrors.NotFound {
			break
		}
	}
	if err != nil {
		cancel()
		return nil, wrap("write", key, err)
	}
	return w, nil
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.blob.Write(p)
	if err != nil {
		err = wrap("write", w.key, err)
	}
	return n, err
}

// Commit makes the object durable and visible, in that order. When it fails nothing is left.
func (w *Writer) Commit() error {
	w.done = true
	defer w.cancel()
	if w.file != nil {
		return w.commitFile()
	}
	if err := w.blob.Close(); err != nil {
		return wrap("commit", w.key, err)
	}
	return nil
}

// Abort drops the object unless it was committed.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.drop()
	w.store.pruneAbove(w.key)
}

// drop has the driver take back what was written: to close a writer whose context is cancelled is how gocloud does it,
// and the error it then returns says no more than that.
func (w *Writer) drop() {
	w.cancel()
	_ = w.blob.Close()
}
