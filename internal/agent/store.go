package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"

	"bricklayers.dev/bricklayers/internal/filename"
	"bricklayers.dev/bricklayers/internal/podapi"
)

// Store takes the outputs to the gateway.
type Store struct {
	Gateway   string // address of the gateway's pod port
	TokenFile string // the pod's token
	Data      string // folder that the steps of the pod share

	backoff backoff
}

// Run uploads every output file and makes them the job's result. That the job has one already is a success: another pod
// was first, or this one before it was started again.
func (s *Store) Run(ctx context.Context) error {
	err := s.run(ctx)
	if refusedBecause(err, podapi.ReasonAlreadyCommitted) {
		return nil
	}
	return err
}

func (s *Store) run(ctx context.Context) error {
	g := newGateway(s.Gateway, s.TokenFile, s.backoff)
	names, err := s.outputs()
	if err != nil {
		return err
	}
	commit := podapi.Commit{}
	facts, err := os.ReadFile(factsFile(s.Data))
	if err != nil {
		return fmt.Errorf("read what fetch left: %w", err)
	}
	if err := json.Unmarshal(facts, &commit.Input); err != nil {
		return fmt.Errorf("read what fetch left: %w", err)
	}
	for _, name := range names {
		file, err := s.upload(ctx, g, name)
		if err != nil {
			return fmt.Errorf("store the output %q: %w", name, err)
		}
		commit.Files = append(commit.Files, *file)
	}
	return s.commit(ctx, g, commit)
}

// outputs lists the files that the process left. Links are not followed: they could lead to anything in the pod.
func (s *Store) outputs() ([]string, error) {
	entries, err := os.ReadDir(outFolder(s.Data))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			return nil, fmt.Errorf(
				"the processor left %q, which is not a regular file; only files right in $OUTPUT_DIR are taken", entry.Name())
		}
		if err := filename.Check(entry.Name()); err != nil {
			return nil, fmt.Errorf("the processor left a file whose name %w", err)
		}
		names = append(names, entry.Name())
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("the processor ended well but left no file in $OUTPUT_DIR")
	case len(names) > podapi.MaxFiles:
		return nil, fmt.Errorf("the processor left %d files; %d are allowed", len(names), podapi.MaxFiles)
	}
	return names, nil
}

func (s *Store) upload(ctx context.Context, g *gateway, name string) (stored *podapi.File, err error) {
	file, err := os.OpenInRoot(outFolder(s.Data), name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	local := podapi.File{Name: name, Size: info.Size()}
	if local.SHA256, err = digestOf(file); err != nil {
		return nil, err
	}
	err = g.backoff.retry(ctx, func() error {
		if !g.noDirect {
			stored, err = g.storeDirectly(ctx, file, local)
			var failed *directError
			g.noDirect = errors.As(err, &failed)
			if stored != nil || err != nil {
				return err
			}
		}
		stored, err = g.store(ctx, file, local)
		return err
	})
	return stored, err
}

func digestOf(file io.ReaderAt) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(file, 0, math.MaxInt64)); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// store sends a file to the gateway.
func (g *gateway) store(ctx context.Context, file io.ReaderAt, local podapi.File) (*podapi.File, error) {
	// The client closes a body that is a Closer; the section leaves the file open for another try.
	body := io.NewSectionReader(file, 0, local.Size)
	response, err := g.do(ctx, http.MethodPut, podapi.OutputsPath+url.PathEscape(local.Name), body, local.Size)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	stored := &podapi.File{}
	if err := json.NewDecoder(response.Body).Decode(stored); err != nil {
		return nil, temporary("read the gateway's answer: %w", err)
	}
	if *stored != local {
		return nil, temporary("the gateway took %d bytes with SHA-256 %s instead of %d with %s",
			stored.Size, stored.SHA256, local.Size, local.SHA256)
	}
	return stored, nil
}

// storeDirectly puts a file into the bucket. It returns nil when there is no way to do that.
func (g *gateway) storeDirectly(ctx context.Context, file io.ReaderAt, local podapi.File) (*podapi.File, error) {
	body, err := json.Marshal(local)
	if err != nil {
		return nil, err
	}
	path := podapi.OutputsPath + url.PathEscape(local.Name)
	response, err := g.do(ctx, http.MethodPost, path, bytes.NewReader(body), int64(len(body)))
	var refusal *refusedError
	if errors.As(err, &refusal) && (refusal.status == http.StatusMethodNotAllowed || refusal.status == http.StatusNotFound) {
		return nil, nil // a gateway of a version that does not know of it
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	signed := &podapi.SignedPut{}
	if err := json.NewDecoder(response.Body).Decode(signed); err != nil {
		return nil, temporary("read the gateway's answer: %w", err)
	}
	if signed.URL == "" {
		return nil, nil
	}
	if err := g.putDirectly(ctx, signed, io.NewSectionReader(file, 0, local.Size), local.Size); err != nil {
		return nil, err
	}
	return &local, nil
}

func (s *Store) commit(ctx context.Context, g *gateway, commit podapi.Commit) error {
	body, err := json.Marshal(commit)
	if err != nil {
		return err
	}
	return g.backoff.retry(ctx, func() error {
		response, err := g.do(ctx, http.MethodPost, podapi.CommitPath, bytes.NewReader(body), int64(len(body)))
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
}
