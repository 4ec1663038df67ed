package cli

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// keptUpload is what is kept of an upload under way, so that the same command goes on where an earlier one was
// interrupted.
type keptUpload struct {
	URL string `json:"url"` // path and query at the gateway; empty before it is created
	Key string `json:"key"` // the Idempotency-Key of its job

	path string // of the file that keeps it
}

// maxKept is how long the gateway may keep an upload that does not go on; older ones are of no use.
const maxKept = 48 * time.Hour

// findKept returns what is kept of an upload of this file with these settings to this gateway, or a new one. identity
// is all that must be the same.
func findKept(identity ...any) (*keptUpload, error) {
	text, err := json.Marshal(identity)
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a place to keep uploads: %w", err)
	}
	sum := sha256.Sum256(text)
	k := &keptUpload{path: filepath.Join(cache, "bricklayers", "uploads", hex.EncodeToString(sum[:16])+".json")}
	if info, err := os.Stat(k.path); err == nil && time.Since(info.ModTime()) < maxKept {
		if content, err := os.ReadFile(k.path); err == nil && json.Unmarshal(content, k) == nil && k.Key != "" {
			return k, nil
		}
	}
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	k.URL, k.Key = "", hex.EncodeToString(key)
	return k, nil
}

func (k *keptUpload) save() error {
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return fmt.Errorf("keep the upload: %w", err)
	}
	content, err := json.Marshal(k)
	if err == nil {
		err = os.WriteFile(k.path, content, 0o600) // whoever knows the address may go on with the upload
	}
	if err != nil {
		return fmt.Errorf("keep the upload: %w", err)
	}
	return nil
}

func (k *keptUpload) forget() error {
	if err := os.Remove(k.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the upload: %w", err)
	}
	return nil
}
