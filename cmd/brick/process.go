package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
)

// process runs brick over the input and puts the result in its place.
func (c *command) process(ctx context.Context, r *report, stdin io.Reader, stdout, stderr io.Writer) error {
	if c.input == "-" {
		return c.processStream(ctx, r, stdin, stdout, stderr)
	}
	in, err := os.Open(c.input)
	if err != nil {
		return err
	}
	defer in.Close()
	return c.processFile(ctx, r, in, stdout, stderr)
}

// processStream processes standard input as it comes. An archive cannot be read that way, because what it holds is
// stated at its end; it is put into a file first.
func (c *command) processStream(
	ctx context.Context, r *report, stdin io.Reader, stdout, stderr io.Writer,
) (err error) {
	in := newInput(ctx, stdin, nil)
	kind, err := in.sniff()
	if err != nil {
		return err
	}
	c.brick.Settings = slicerSettings()
	if kind == formatZip {
		spool, err := os.CreateTemp("", "brick-*.gcode.3mf")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
		if _, err := io.Copy(spool, in); err != nil {
			return fmt.Errorf("keep the archive from standard input: %w", err)
		}
		return c.processFile(ctx, r, spool, stdout, stderr)
	}
	switch {
	case c.dryRun:
		return c.transform(in, kind, io.Discard, r)
	case c.output == "":
		return c.transform(in, kind, stdout, r)
	}
	return c.replace(c.output, 0o644, r, func(w *os.File) error { return c.transform(in, kind, w, r) })
}

// processFile processes a file. Where nothing can be done for it, the result is the file itself.
func (c *command) processFile(ctx context.Context, r *report, file *os.File, stdout, stderr io.Writer) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", c.input)
	}
	bar := newProgress(stderr, info.Size())
	defer bar.stop()
	f := source{file, info.Size(), bar}
	switch {
	case c.dryRun:
		return c.transformFile(ctx, f, io.Discard, r)
	case c.input == "-" && c.output == "":
		return c.transformFile(ctx, f, stdout, r)
	}
	target, err := c.target()
	if err != nil {
		return err
	}
	return c.replace(target, info.Mode().Perm(), r, func(w *os.File) error {
		err := c.transformFile(ctx, f, w, r)
		switch {
		case err != nil || r.Outcome != outcomeNoop:
			return err
		case c.output == "":
			return errKeep
		}
		return f.copyTo(w)
	})
}

// source is a file to process.
type source struct {
	file *os.File
	size int64
	bar  *progress
}

func (f source) section() *io.SectionReader { return io.NewSectionReader(f.file, 0, f.size) }

// copyTo makes w hold what the file does.
func (f source) copyTo(w *os.File) error {
	if err := w.Truncate(0); err != nil {
		return err
	}
	if _, err := w.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(w, f.section())
	return err
}

// transformFile writes the result for a file. A result that fails its own check is as good as none.
func (c *command) transformFile(ctx context.Context, f source, w io.Writer, r *report) error {
	in := newInput(ctx, f.section(), f.bar)
	kind, err := in.sniff()
	if err != nil {
		return err
	}
	if err := c.peek(f, kind); err != nil {
		return err
	}
	switch kind {
	case formatText:
		err = c.transformHashed(in, w, r)
	case formatZip:
		err = c.transformArchive(ctx, f, w, r)
	default:
		err = c.transform(in, kind, w, r)
	}
	var failed *brick.SelfcheckError
	if errors.As(err, &failed) {
		r.take(&brick.Result{Reason: brick.SelfcheckFailed, Detail: failed.Error()})
		return nil
	}
	return err
}
