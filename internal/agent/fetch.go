package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	"bricklayers.dev/bricklayers/internal/filename"
	"bricklayers.dev/bricklayers/internal/podapi"
)

// Fetch says where the input comes from: from one of Upload, URL and File.
type Fetch struct {
	Gateway   string // address of the gateway's pod port
	TokenFile string // the pod's token
	Data      string // folder that the steps of the pod share
	Name      string // of the file, as the process sees it

	Upload bool
	Size   int64  // of the upload, in bytes
	SHA256 string // of the upload

	URL        string
	AllowCIDRs []netip.Prefix // private ranges that URL may lead to
	File       string         // on a volume that is mounted

	MaxSize int64 // bytes; 0 is no limit

	backoff backoff
}

// Run makes the folders of the pod, brings the input to Data/in/Name and keeps what is known of it for store.
func (f *Fetch) Run(ctx context.Context) error {
	if err := filename.Check(f.Name); err != nil {
		return inputFault("the name of the input %w", err)
	}
	if err := f.makeFolders(); err != nil {
		return err
	}
	var facts *podapi.File
	var err error
	switch {
	case f.Upload:
		facts, err = f.fromGateway(ctx, newGateway(f.Gateway, f.TokenFile, f.backoff))
	case f.URL != "":
		facts, err = f.fromURL(ctx)
	default:
		facts, err = f.fromFile()
	}
	if err != nil {
		return err
	}
	facts.Name = f.Name
	content, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	return os.WriteFile(factsFile(f.Data), content, 0o644)
}

// makeFolders makes what the later steps mount. Processors may run as any user, so all may write to out.
func (f *Fetch) makeFolders() error {
	for _, folder := range []string{inFolder(f.Data), outFolder(f.Data), filepath.Dir(factsFile(f.Data))} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	return os.Chmod(outFolder(f.Data), 0o777) // MkdirAll's mode is cut by the umask
}

func (f *Fetch) fromGateway(ctx context.Context, g *gateway) (facts *podapi.File, err error) {
	path := podapi.InputPath
	err = g.backoff.retry(ctx, func() error {
		response, err := g.do(ctx, http.MethodGet, path, nil, 0)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode == http.StatusTemporaryRedirect {
			path = podapi.InputPath + "?" + podapi.ThroughGateway // should this not work
			if response, err = g.getDirectly(ctx, response.Header.Get("Location")); err != nil {
				return err
			}
			defer response.Body.Close()
		}
		if facts, err = f.save(response.Body); err != nil {
			return err
		}
		if facts.Size != f.Size || facts.SHA256 != f.SHA256 {
			return temporary("the input arrived with %d bytes and SHA-256 %s, but %d bytes and %s were uploaded",
				facts.Size, facts.SHA256, f.Size, f.SHA256)
		}
		return nil
	})
	return facts, err
}

func (f *Fetch) fromFile() (*podapi.File, error) {
	source, err := os.Open(f.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inputFault("the input is not there: %w", err)
	}
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if info, err := source.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, inputFault("the input %s is not a regular file", f.File)
	}
	return f.save(source)
}

// errWrite marks an error of this side of the copy: no other try would change it.
type errWrite struct{ err error }

func (e *errWrite) Error() string { return "write the input: " + e.err.Error() }
func (e *errWrite) Unwrap() error { return e.err }

// save writes the input to its place and returns its size and digest. An error of the source is temporary.
func (f *Fetch) save(source io.Reader) (*podapi.File, error) {
	target, err := os.OpenFile(filepath.Join(inFolder(f.Data), f.Name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, &errWrite{err}
	}
	defer target.Close()
	if f.MaxSize > 0 {
		source = io.LimitReader(source, f.MaxSize+1)
	}
	hash := sha256.New()
	size, err := io.Copy(target, io.TeeReader(source, hash))
	if isWrite(err) {
		return nil, &errWrite{err}
	}
	if err != nil {
		return nil, temporary("read the input: %w", err)
	}
	if f.MaxSize > 0 && size > f.MaxSize {
		return nil, inputFault("the input is larger than the %d bytes that the processor takes", f.MaxSize)
	}
	if err := target.Close(); err != nil {
		return nil, &errWrite{err}
	}
	return &podapi.File{Size: size, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}

func isWrite(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Op == "write" || errors.Is(err, syscall.ENOSPC)
}

func parseCIDRs(list []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--allow-cidr: %w", err)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}
