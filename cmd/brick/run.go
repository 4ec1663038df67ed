package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
	"bricklayers.dev/bricklayers/internal/version"
)

// Exit codes. Those from 64 to 78 say that the input or the command line is at fault, so that trying again is no use.
const (
	exitOK    = 0
	exitIO    = 1
	exitUsage = 64
	exitInput = 65
	// exitDefect says that the result failed its own check where the original could not be put in its place, in a pipe.
	exitDefect = 70
)

// run is main with its surroundings passed in.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	if err != nil {
		return fail(nil, nil, err, stderr)
	}
	return c.run(ctx, stdin, stdout, stderr)
}

func (c *command) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) int {
	switch {
	case c.help:
		return exitOK
	case c.version:
		fmt.Fprintln(stdout, "brick", version.Version)
		return exitOK
	}
	if c.check {
		if err := c.compare(stdout); err != nil {
			return fail(c, nil, err, stderr)
		}
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

// reasoned is an error that a stable label goes with: the input is at fault.
type reasoned interface {
	error
	Reason() string
}

// fail reports err. Its last line on stderr is for people and programs alike: brick: reason: what to do.
func fail(c *command, r *report, err error, stderr io.Writer) int {
	code, reason := exitIO, "io"
	var input reasoned
	switch {
	case errors.Is(err, errUsage):
		code, reason = exitUsage, "usage"
	case errors.As(err, &input):
		code, reason = exitInput, input.Reason()
		if reason == string(brick.SelfcheckFailed) {
			code = exitDefect
		}
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
	fmt.Fprintf(stderr, "brick: %s: %s\n", reason, oneLine(err.Error()))
	return code
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }
