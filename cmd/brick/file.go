package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tailSize is how much of the end of a file is searched for the slicer's settings.
const tailSize = 256 << 10

// peek reads what has to be known before the first byte of a file is processed: the settings at the end of a text. For
// a container it is the digest for the stamp, which a text gets afterwards.
func (c *command) peek(f source, kind string) error {
	c.brick.Settings = slicerSettings()
	if kind == formatText {
		tail := make([]byte, min(f.size, tailSize))
		if _, err := f.file.ReadAt(tail, f.size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the end of %s: %w", c.input, err)
		}
		c.brick.Settings = append(tail, c.brick.Settings...)
		return nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f.section()); err != nil {
		return fmt.Errorf("read %s: %w", c.input, err)
	}
	c.brick.InputSHA256 = hex.EncodeToString(hash.Sum(nil))
	return nil
}

// transformHashed writes the result for a text and puts the digest of what was read into its stamp.
func (c *command) transformHashed(in io.Reader, w io.Writer, r *report) error {
	hash := sha256.New()
	c.brick.InputSHA256 = strings.Repeat("0", hex.EncodedLen(sha256.Size))
	if err := c.transform(io.TeeReader(in, hash), formatText, w, r); err != nil {
		return err
	}
	if out, ok := w.(io.WriterAt); ok && r.digestAt >= 0 {
		if _, err := out.WriteAt(hex.AppendEncode(nil, hash.Sum(nil)), r.digestAt); err != nil {
			return fmt.Errorf("write the digest: %w", err)
		}
	}
	return nil
}

// target returns the path that the result goes to.
func (c *command) target() (string, error) {
	if c.output == "" {
		return filepath.EvalSymlinks(c.input)
	}
	info, err := os.Stat(c.output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.output, nil
	case err != nil:
		return "", err
	case info.IsDir():
		return filepath.Join(c.output, brickName(filepath.Base(c.input))), nil
	}
	return c.output, nil
}

// brickName puts _brick before the extension of a file name.
func brickName(name string) string {
	lower := strings.ToLower(name)
	for _, ext := range []string{".gcode.3mf", filepath.Ext(lower)} {
		if strings.HasSuffix(lower, ext) {
			return name[:len(name)-len(ext)] + "_brick" + name[len(name)-len(ext):]
		}
	}
	return name + "_brick"
}

// errKeep is returned by what writes a result when the target is to stay as it is.
var errKeep = errors.New("keep the target")

// replace lets write fill a new file beside target and then puts it in target's place, or leaves everything as it was.
func (c *command) replace(target string, mode fs.FileMode, r *report, write func(*os.File) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".brick-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
		}
	}()
	r.Output = target
	if err := write(tmp); errors.Is(err, errKeep) {
		return errors.Join(tmp.Close(), os.Remove(tmp.Name()))
	} else if err != nil {
		return err
	}
	if err := tmp.Chmod(mode); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), target); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(target))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// stopReader ends the input when ctx does, so that a signal leaves no half-written file behind.
type stopReader struct {
	ctx context.Context
	r   io.Reader
}

func (s stopReader) Read(p []byte) (int, error) {
	if err := context.Cause(s.ctx); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
