package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// stallTimeout is how long a bucket on the network may take for one step: a question, or some bytes. Without it a request
// would wait for a bucket that accepts connections and says nothing as long as its client does.
const stallTimeout = 30 * time.Second

var errStalled = fmt.Errorf("no answer within %s", stallTimeout)

// stallable is a context for something of many steps, each of which must not take too long.
type stallable struct {
	context.Context
	cancel context.CancelCauseFunc
}

func newStallable(ctx context.Context) *stallable {
	ctx, cancel := context.WithCancelCause(ctx)
	return &stallable{ctx, cancel}
}

// step does one step, and says of its error when it took too long.
func (s *stallable) step(do func() error) error {
	timer := time.AfterFunc(stallTimeout, func() { s.cancel(errStalled) })
	err := do()
	timer.Stop()
	if err != nil && errors.Is(context.Cause(s), errStalled) && !errors.Is(err, errStalled) {
		return fmt.Errorf("%w: %w", errStalled, err)
	}
	return err
}

// oneStep is step for what has one.
func oneStep(ctx context.Context, do func(context.Context) error) error {
	s := newStallable(ctx)
	defer s.cancel(nil)
	return s.step(func() error { return do(s) })
}

// stallableReader reads what must not stall.
type stallableReader struct {
	io.ReadSeeker
	steps *stallable
}

func (r *stallableReader) Read(p []byte) (n int, err error) {
	err = r.steps.step(func() (err error) {
		n, err = r.ReadSeeker.Read(p)
		return err
	})
	return n, err
}

func (r *stallableReader) Seek(offset int64, whence int) (at int64, err error) {
	err = r.steps.step(func() (err error) {
		at, err = r.ReadSeeker.Seek(offset, whence)
		return err
	})
	return at, err
}
