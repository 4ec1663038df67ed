package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const folderMode fs.FileMode = 0o750

// prepareFileURL sets how fileblob is to work, and returns the bucket's folder: temporary files lie beside the final
// ones, because a rename does not cross file systems; no second file with attributes is written for each; the folder is
// made where it is missing.
func prepareFileURL(u *url.URL) (dir string, err error) {
	q := u.Query()
	if q.Has("prefix") {
		return "", fmt.Errorf("bucket address %s: a folder takes no prefix; write it as a part of the path", u.Redacted())
	}
	q.Set("no_tmp_dir", "true")
	q.Set("metadata", "skip")
	q.Set("create_dir", "true")
	if !q.Has("dir_file_mode") {
		q.Set("dir_file_mode", fmt.Sprintf("%#o", folderMode))
	}
	u.RawQuery = q.Encode()
	dir = u.Path
	if u.Host == "." {
		dir = strings.TrimPrefix(dir, "/")
	}
	if dir == "" {
		return "", fmt.Errorf("bucket address %s has no folder; write it as file:///var/lib/bricklayers", u.Redacted())
	}
	return filepath.Abs(dir)
}

// path is where fileblob keeps a key: keys hold nothing that it would escape.
func (s *Store) path(key string) string { return filepath.Join(s.dir, filepath.FromSlash(key)) }

// commitFile makes a file durable, which fileblob does not, then visible.
//
// An object that must not exist yet is linked to its name instead of renamed: of several links to one name exactly one
// succeeds, on a local file system and on NFS, while fileblob looks first and renames then.
func (w *Writer) commitFile() error {
	target := w.store.path(w.key)
	if err := w.file.Sync(); err != nil {
		w.drop()
		return wrap("sync", w.key, err)
	}
	if w.once {
		err := os.Link(w.file.Name(), target)
		w.drop()
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("commit %s: %w", w.key, ErrExists)
		}
		if err != nil {
			return wrap("commit", w.key, err)
		}
	} else if err := w.sink.Close(); err != nil {
		return wrap("commit", w.key, err)
	}
	return w.store.syncFolders(w.key)
}

// linkFile gives a file that is durable a second name, if that is free.
func (s *Store) linkFile(from, to string) error {
	target := s.path(to)
	// The sweep goes by the time: what is about to be referred to is not old.
	now := time.Now()
	if err := os.Chtimes(s.path(from), now, now); err != nil {
		return wrap("touch", from, err)
	}
	for {
		err := os.MkdirAll(filepath.Dir(target), folderMode)
		if err == nil {
			err = os.Link(s.path(from), target)
		}
		switch {
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf("link %s: %w", to, ErrExists)
		case errors.Is(err, fs.ErrNotExist) && fileExists(s.path(from)):
			continue // the new folder was pruned before anything was in it
		case err != nil:
			return wrap("link", to, err)
		}
		return s.syncFolders(to)
	}
}

func fileExists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// syncFolders makes a new name durable: the entry in its folder, and the entries of the folders above, which may be as
// new.
func (s *Store) syncFolders(key string) error {
	for folder := path.Dir(key); ; folder = path.Dir(folder) {
		dir, err := os.Open(s.path(folder))
		if err != nil {
			return wrap("sync", folder, err)
		}
		err = dir.Sync()
		if closeErr := dir.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return wrap("sync", folder, err)
		}
		if folder == "." {
			return nil
		}
	}
}

// pruneAbove removes the folders above a key that are empty, up to and without the namespace's.
func (s *Store) pruneAbove(key string) {
	if s.dir == "" {
		return
	}
	for folder := path.Dir(key); strings.Count(folder, "/") >= 2; folder = path.Dir(folder) {
		if os.Remove(s.path(folder)) != nil {
			return // not empty
		}
	}
}

// isFull tells whether there is no room, or no more room for this user.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
