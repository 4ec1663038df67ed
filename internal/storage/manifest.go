package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Manifest is a job's committed result. The first one that is committed stays.
type Manifest struct {
	PodUID string `json:"podUID"` // whose outputs are the result
	Input  File   `json:"input"`
	Files  []File `json:"files"`
}

// File is what is known of one file.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// File returns the file of that name, or nil.
func (m *Manifest) File(name string) *File {
	for i := range m.Files {
		if m.Files[i].Name == name {
			return &m.Files[i]
		}
	}
	return nil
}

// maxSmall bounds what is read of an object that is JSON: a manifest of 256 files of the longest names takes less than
// a tenth.
const maxSmall = 1 << 20

// CommitResult makes m the result of a job unless it has one; it returns the one that stands, and ErrExists when that
// is not m.
func (s *Store) CommitResult(ctx context.Context, namespace, jobUID string, m *Manifest) (*Manifest, error) {
	content, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	err = s.createSmall(ctx, ResultKey(namespace, jobUID), content)
	if errors.Is(err, ErrExists) {
		standing, readErr := s.Result(ctx, namespace, jobUID)
		if readErr != nil {
			return nil, readErr
		}
		return standing, err
	}
	return m, err
}

// Result returns a job's committed result, or ErrNotFound.
func (s *Store) Result(ctx context.Context, namespace, jobUID string) (*Manifest, error) {
	m := &Manifest{}
	if err := s.readJSON(ctx, ResultKey(namespace, jobUID), m); err != nil {
		return nil, err
	}
	return m, nil
}

// readJSON reads a small object.
func (s *Store) readJSON(ctx context.Context, key string, into any) error {
	object, err := s.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(object, maxSmall))
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}
