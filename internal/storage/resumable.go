package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Resumable is an upload that comes in several requests, to any replica. Its folder holds what is known of it, and its
// parts: an object's name is the offset that it begins at, and it is created once. So of two writers at one offset one
// loses, and no lock is needed, neither between requests nor between replicas.
type Resumable struct {
	JobID      string            `json:"jobID"` // of the job to be
	Size       int64             `json:"size"`  // bytes of the whole file
	FileName   string            `json:"fileName"`
	Processor  string            `json:"processor,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Priority   *int32            `json:"priority,omitempty"`
	Webhook    string            `json:"webhook,omitempty"`
	Expires    time.Time         `json:"expires"` // no part is taken after it
	// Traceparent is of the trace that all its requests belong to, "" while tracing is off.
	Traceparent string `json:"traceparent,omitempty"`
}

// Part is a piece of a resumable upload.
type Part struct{ Offset, Size int64 }

// Progress is how far a resumable upload is.
type Progress struct {
	Parts    []Part // one after the other from the file's beginning
	Offset   int64  // bytes that are here
	Finished bool   // its job is made
}

const (
	resumableFacts    = "info.json"
	resumableFinished = "finished"
	offsetDigits      = 19 // as many as an int64 has, so that names sort as numbers do
)

func resumableKey(namespace, id, name string) string {
	return resumablePrefix + namespace + "/" + id + "/" + name
}

func partKey(namespace, id string, offset int64) string {
	return resumableKey(namespace, id, fmt.Sprintf("%0*d", offsetDigits, offset))
}

// CreateResumable begins a resumable upload.
func (s *Store) CreateResumable(ctx context.Context, namespace, id string, facts *Resumable) error {
	content, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	return s.createSmall(ctx, resumableKey(namespace, id, resumableFacts), content)
}

// Resumable returns what is known of a resumable upload, or ErrNotFound.
func (s *Store) Resumable(ctx context.Context, namespace, id string) (*Resumable, error) {
	facts := &Resumable{}
	if err := s.readJSON(ctx, resumableKey(namespace, id, resumableFacts), facts); err != nil {
		return nil, err
	}
	return facts, nil
}

// ResumableListed tells whether a listing of the bucket has what is known of a resumable upload. Google's storage says of
// what may not be read that it does not exist.
func (s *Store) ResumableListed(ctx context.Context, namespace, id string) (listed bool, err error) {
	key := resumableKey(namespace, id, resumableFacts)
	err = s.listUnder(ctx, key, "", func(object Listed) error {
		listed = listed || object.Key == key
		return nil
	})
	return listed, err
}

// Progress finds out how far a resumable upload is.
func (s *Store) Progress(ctx context.Context, namespace, id string) (*Progress, error) {
	found := &Progress{}
	var parts []Part
	err := s.listUnder(ctx, resumableKey(namespace, id, ""), "", func(object Listed) error {
		name := object.Key[strings.LastIndex(object.Key, "/")+1:]
		if name == resumableFinished {
			found.Finished = true
		}
		if offset, err := strconv.ParseInt(name, 10, 64); err == nil && len(name) == offsetDigits {
			parts = append(parts, Part{offset, object.Size})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, part := range parts {
		if part.Offset != found.Offset {
			break // a later part whose predecessor is not there is none of ours
		}
		found.Parts = append(found.Parts, part)
		found.Offset += part.Size
	}
	return found, nil
}

// CreatePart begins a part. Commit returns ErrExists when another one begins at the same offset.
func (s *Store) CreatePart(ctx context.Context, namespace, id string, offset int64) (*Writer, error) {
	return s.Create(ctx, partKey(namespace, id, offset))
}

// MaxPart is the most bytes that a part should have, or 0 when there is no limit. What a process had of a part is lost
// when it dies, but in a folder one large part becomes the file without being copied.
func (s *Store) MaxPart() int64 {
	if s.CanAdopt() {
		return 0
	}
	return 64 << 20
}

// FinishResumable notes that the job of a resumable upload is made, then drops its parts.
func (s *Store) FinishResumable(ctx context.Context, namespace, id string, parts []Part) error {
	err := s.createSmall(ctx, resumableKey(namespace, id, resumableFinished), []byte("finished\n"))
	if err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	for _, part := range parts {
		if err := s.Delete(ctx, partKey(namespace, id, part.Offset)); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// DeleteResumable drops all of a resumable upload, what is known of it first: without that nobody goes on with it.
func (s *Store) DeleteResumable(ctx context.Context, namespace, id string) error {
	if err := s.Delete(ctx, resumableKey(namespace, id, resumableFacts)); err != nil {
		return err
	}
	return s.listUnder(ctx, resumableKey(namespace, id, ""), "", func(object Listed) error {
		if err := s.Delete(ctx, object.Key); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	})
}

// CanAdopt tells whether AdoptPart works: where the bucket is a folder.
func (s *Store) CanAdopt() bool { return s.dir != "" }

// AdoptPart makes the part at the beginning of a resumable upload an object, without copying it. It returns ErrExists
// when the object exists.
func (s *Store) AdoptPart(namespace, id string, key string) error {
	return s.linkFile(partKey(namespace, id, 0), key)
}

// OpenParts reads parts one after the other.
func (s *Store) OpenParts(ctx context.Context, namespace, id string, parts []Part) io.ReadCloser {
	return &partsReader{ctx: ctx, store: s, namespace: namespace, id: id, left: parts}
}

type partsReader struct {
	ctx           context.Context
	store         *Store
	namespace, id string
	left          []Part
	open          *Object
}

func (r *partsReader) Read(p []byte) (int, error) {
	for {
		if r.open == nil {
			if len(r.left) == 0 {
				return 0, io.EOF
			}
			var err error
			if r.open, err = r.store.Open(r.ctx, partKey(r.namespace, r.id, r.left[0].Offset)); err != nil {
				return 0, err
			}
			r.left = r.left[1:]
		}
		n, err := r.open.Read(p)
		if err != nil && !errors.Is(err, io.EOF) {
			return n, wrap("read", "a part", err)
		}
		if err != nil {
			if err := r.Close(); err != nil {
				return n, err
			}
		}
		if n > 0 {
			return n, nil
		}
	}
}

// Close ends the reading.
func (r *partsReader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}
