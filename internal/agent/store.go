package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// Run uploads every output file and makes them the job's result. That another pod of the job was first is a success: its
// result stands.
func (s *Store) Run(ctx context.Context) error {
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
	err = s.commit(ctx, g, commit)
	if refusedBecause(err, podapi.ReasonAlreadyCommitted) {
		return nil
	}
	return err
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
	err = g.backoff.retry(ctx, func() error {
		// The client closes a body that is a Closer; the section leaves the file open for another try.
		body := io.NewSectionReader(file, 0, info.Size())
		response, err := g.do(ctx, http.MethodPut, podapi.OutputsPath+url.PathEscape(name), body, info.Size())
		if err != nil {
			return err
		}
		defer response.Body.Close()
		stored = &podapi.File{}
		if err := json.NewDecoder(response.Body).Decode(stored); err != nil {
			return temporary("read the gateway's answer: %w", err)
		}
		if stored.Size != info.Size() {
			return temporary("the gateway took %d of %d bytes", stored.Size, info.Size())
		}
		return nil
	})
	return stored, err
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
