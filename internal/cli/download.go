package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) download() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "download JOB", Short: "Bring a job's result back",
		Long: `Bring a job's result back, into the current folder or where -o says: a folder, or for one file its name; - is the
standard output. What was received is held against its SHA-256.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(ctx context.Context, c *client) error {
				j, err := c.status(ctx, args[0], "", 0)
				if err != nil {
					return err
				}
				if len(j.Output) == 0 {
					return a.noResult(ctx, c, j)
				}
				if a.output == "-" {
					return c.copyResult(ctx, j, name, a.Out)
				}
				out := a.output
				if out == "" {
					out = "."
				}
				paths, err := c.fetch(ctx, j, out, name)
				for _, path := range paths {
					fmt.Fprintln(a.Out, path)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&a.output, "output", "o", "", "folder or file for the result, or - for the standard output")
	cmd.Flags().StringVar(&name, "file", "", "only this file of the result")
	return cmd
}

// noResult says in the gateway's words why there is none.
func (a *app) noResult(ctx context.Context, c *client, j *job) error {
	if err := j.err(); err != nil {
		return err
	}
	response, err := c.do(ctx, http.MethodGet, c.address("/api/v1/download/"+url.PathEscape(j.ID), nil), nil)
	if err != nil {
		return err
	}
	response.Body.Close()
	return fmt.Errorf("job %s has no result", j.ID)
}

// fetch brings the files of a result into a folder, or the only one to a path.
func (c *client) fetch(ctx context.Context, j *job, out, only string) (paths []string, err error) {
	wanted, err := choose(j, only)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(out)
	isFolder := err == nil && info.IsDir() || out != "" && os.IsPathSeparator(out[len(out)-1])
	if len(wanted) > 1 && !isFolder {
		return nil, withCode(exitUsage, fmt.Errorf("the result has %d files; -o must be a folder", len(wanted)))
	}
	for _, f := range wanted {
		path := out
		if isFolder {
			// The gateway lets no other names in, but what it says is not to be believed with a path.
			path = filepath.Join(out, filepath.Base(f.Name))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return paths, err
		}
		if err := c.save(ctx, f, path); err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func choose(j *job, only string) ([]file, error) {
	if only == "" {
		return j.Output, nil
	}
	var names []string
	for _, f := range j.Output {
		if f.Name == only {
			return []file{f}, nil
		}
		names = append(names, f.Name)
	}
	return nil, withCode(exitNotFound, fmt.Errorf("the result of job %s has no file %q; it has %s", j.ID, only, strings.Join(names, ", ")))
}

// save brings one file to a path: whole and right, or not at all.
func (c *client) save(ctx context.Context, f file, path string) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".bricklayers-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name()) // already of no use
		}
	}()
	err = errors.Join(c.copyFile(ctx, f, temporary), temporary.Chmod(0o644), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

func (c *client) copyResult(ctx context.Context, j *job, only string, w io.Writer) error {
	wanted, err := choose(j, only)
	if err != nil {
		return err
	}
	if len(wanted) != 1 {
		return withCode(exitUsage, fmt.Errorf("the result has %d files; choose one with --file", len(wanted)))
	}
	return c.copyFile(ctx, wanted[0], w)
}

// copyFile reads a file, going on where it was when the connection is lost, and checks it.
func (c *client) copyFile(ctx context.Context, f file, w io.Writer) error {
	sum := sha256.New()
	done, pause := int64(0), newBackoff()
	for done < f.Size {
		n, err := c.copyFrom(ctx, f, done, sum, w)
		done += n
		if n > 0 {
			pause.reset()
		}
		if err != nil {
			if !retryable(err) {
				return err
			}
			if err := pause.wait(ctx, err); err != nil {
				return err
			}
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("%s was damaged on its way: its SHA-256 is %s, not %s", f.Name, got, f.SHA256)
	}
	return nil
}

func (c *client) copyFrom(ctx context.Context, f file, from int64, sum hash.Hash, w io.Writer) (int64, error) {
	address, err := url.Parse(f.Download)
	if err != nil {
		return 0, fmt.Errorf("the address of %s: %w", f.Name, err)
	}
	response, err := c.do(ctx, http.MethodGet, c.address(address.Path, address.Query()), nil,
		"Range", fmt.Sprintf("bytes=%d-", from))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if from > 0 && response.StatusCode != http.StatusPartialContent {
		return 0, fmt.Errorf("%s cannot be read from the middle on; start again", f.Name)
	}
	n, err := io.Copy(io.MultiWriter(w, sum), &readErrors{response.Body})
	if ctx.Err() != nil {
		return n, context.Cause(ctx)
	}
	return n, err
}

// readErrors marks errors of the connection, which may go away, unlike those of the file that is written.
type readErrors struct{ io.Reader }

func (r *readErrors) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = withCode(exitUnreachable, fmt.Errorf("read the result: %w", err))
	}
	return n, err
}
