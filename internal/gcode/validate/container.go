package validate

import (
	"errors"
	"fmt"
	"io"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/threemf"
)

// container checks a file of which one part explains the next, and which is therefore read by a goroutine of its own,
// from a pipe.
type container struct {
	pipe   *io.PipeWriter
	done   chan struct{}
	result Result // good once done
	err    error
}

// newContainer starts check, which reads the file to its end unless it returns an error.
func newContainer(opts Options, check func(opts Options, file io.Reader, r *Result) error) *container {
	r, w := io.Pipe()
	c := &container{pipe: w, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = check(opts, r, &c.result)
		if c.err != nil {
			r.CloseWithError(c.err)
		}
	}()
	return c
}

func (c *container) Write(p []byte) (int, error) {
	n, err := c.pipe.Write(p)
	if err != nil {
		return n, asReject(err)
	}
	return n, nil
}

func (c *container) finish(r *Result) error {
	c.pipe.Close()
	<-c.done
	r.Reason, r.Detail, r.Slicer, r.Plates = c.result.Reason, c.result.Detail, c.result.Slicer, c.result.Plates
	r.Warnings = append(r.Warnings, c.result.Warnings...)
	if c.err != nil {
		return asReject(c.err)
	}
	return nil
}

// asReject makes a *Reject of the errors that packages bgcode and threemf have for a file.
func asReject(err error) error {
	var own *Reject
	if errors.As(err, &own) {
		return own
	}
	if reason := reasonOf(err); reason != "" {
		return &Reject{reason, err.Error()}
	}
	return fmt.Errorf("validate: %w", err)
}

func checkBinary(opts Options, file io.Reader, r *Result) error {
	reader, err := bgcode.NewReader(file, opts.MaxText)
	if err != nil {
		return err
	}
	t := newText(opts)
	t.inContainer = true
	for _, kv := range reader.Metadata() {
		if kv.Block == bgcode.FileMetadata && kv.Key == "Producer" {
			t.slicer = kv.Value
		}
		t.settings.Set([]byte(kv.Key), []byte(kv.Value))
	}
	if _, err := io.Copy(t, reader); err != nil {
		return err
	}
	return t.finish(r)
}

func checkProject(opts Options, file io.Reader, r *Result) error {
	noops := 0
	archive, err := threemf.Scan(file, opts.MaxText, func(plate string, text io.Reader) error {
		t := newText(opts)
		var one Result
		_, err := io.Copy(t, text)
		if err == nil {
			err = t.finish(&one)
		}
		var rejected *Reject
		if errors.As(err, &rejected) {
			return reject(rejected.reason, "%s: %s", plate, rejected.detail)
		}
		if one.Reason != "" {
			noops++
			r.Reason, r.Detail = one.Reason, plate+": "+one.Detail
		}
		r.Warnings = append(r.Warnings, one.Warnings...)
		r.Slicer = one.Slicer
		return err
	})
	if noops < archive.Plates { // something is left to do
		r.Reason, r.Detail = "", ""
	}
	r.Plates = archive.Plates
	r.Warnings = append(r.Warnings, archive.Warnings...)
	return err
}
