package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/version"
)

// Exit codes. Those from 64 to 78 say that the input or the command line is at fault, so that trying again is no use.
const (
	exitOK    = 0
	exitIO    = 1
	exitUsage = 64
	exitInput = 65
)

// run is main with its surroundings passed in.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	if err != nil {
		return fail(nil, nil, err, stderr)
	}
	switch {
	case c.help:
		return exitOK
	case c.version:
		fmt.Fprintln(stdout, "brick", version.Version)
		return exitOK
	}
	r := &report{Input: c.input}
	if err := c.process(ctx, r, stdin, stdout, stderr); err != nil {
		return fail(c, r, err, stderr)
	}
	if err := r.write(c, stdout, stderr); err != nil {
		return fail(c, nil, err, stderr)
	}
	return exitOK
}

// fail reports err. Its last line on stderr is for people and programs alike: brick: reason: what to do.
func fail(c *command, r *report, err error, stderr io.Writer) int {
	code, reason := exitIO, "io"
	var input *brick.InputError
	switch {
	case errors.Is(err, errUsage):
		code, reason = exitUsage, "usage"
	case errors.As(err, &input):
		code, reason = exitInput, string(input.Reason)
	}
	if r != nil {
		r.Outcome, r.Reason, r.Detail = outcomeRefused, reason, err.Error()
		if code == exitIO {
			r.Outcome = outcomeFailed
		}
		if serr := r.writeSummary(c); serr != nil {
			fmt.Fprintf(stderr, "brick: io: %v\n", serr)
		}
	}
	fmt.Fprintf(stderr, "brick: %s: %v\n", reason, err)
	return code
}

// process runs brick over the input and puts the result in its place.
func (c *command) process(ctx context.Context, r *report, stdin io.Reader, stdout, stderr io.Writer) error {
	if c.input == "-" {
		out := stdout
		if c.dryRun {
			out = io.Discard
		} else if c.output != "" {
			return c.replace(c.output, 0o644, r, func(w *os.File) error { return c.transform(ctx, stdin, 0, w, r, stderr) })
		}
		return c.transform(ctx, stdin, 0, out, r, stderr)
	}
	in, err := os.Open(c.input)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", c.input)
	}
	if err := c.peek(in, info.Size()); err != nil {
		return err
	}
	if c.dryRun {
		return c.transform(ctx, in, info.Size(), io.Discard, r, stderr)
	}
	target, err := c.target()
	if err != nil {
		return err
	}
	return c.replace(target, info.Mode().Perm(), r, func(w *os.File) error {
		return c.transform(ctx, in, info.Size(), w, r, stderr)
	})
}
