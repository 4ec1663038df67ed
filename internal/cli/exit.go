package cli

import (
	"context"
	"errors"
	"net/http"
)

// What the program ends with; docs/user-guide/command.md promises it.
const (
	exitOK          = 0
	exitFailure     = 1 // anything else
	exitUsage       = 2 // the command line
	exitRefused     = 3 // the gateway refuses the file or the parameters, or the caller may not
	exitNotFound    = 4 // no such job
	exitJobFailed   = 5 // the job ended as Error
	exitJobTimeout  = 6 // the job ended as Timeout
	exitUnreachable = 7 // gateway or cluster do not answer
	exitInterrupted = 130
)

// codedError is an error that knows what the program ends with.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code, err}
}

// exitCode is what the program ends with after an error.
func exitCode(err error) int {
	var coded *codedError
	var p *problem
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &coded):
		return coded.code
	case !errors.As(err, &p):
		return exitFailure
	case p.Status == http.StatusNotFound && p.Reason == "job_not_found":
		return exitNotFound
	case p.Status >= 500 || p.Status == http.StatusTooManyRequests:
		return exitUnreachable
	default:
		return exitRefused
	}
}

// firstOf is the one of several errors that the program ends with: an interruption, else the first.
func firstOf(errs []error) error {
	for _, err := range errs {
		if errors.Is(err, context.Canceled) {
			return err
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
