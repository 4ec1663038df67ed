// Package web serves the page for people. Its source is the folder web of the project; what `make web` builds of it is
// embedded here.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// policy allows the page its own files and its own gateway, and nothing else: no inline script or style, no frame, no
// other host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is one file of the page.
type asset struct {
	plain, zipped []byte // zipped is nil where it would save nothing
	contentType   string
	etag          string
	immutable     bool // its name carries a digest of its content
}

// Handler serves the page.
type Handler struct {
	assets map[string]*asset // by path
}

// New prepares the embedded page.
func New() (*Handler, error) {
	root, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	return newHandler(root)
}

func newHandler(root fs.FS) (*Handler, error) {
	h := &Handler{assets: map[string]*asset{}}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		h.assets["/"+name], err = newAsset(name, content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	index, ok := h.assets["/index.html"]
	if !ok {
		return nil, fmt.Errorf("the page has no index.html; make web builds it")
	}
	delete(h.assets, "/index.html")
	h.assets["/"] = index
	return h, nil
}

func newAsset(name string, content []byte) (*asset, error) {
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	sum := sha256.Sum256(content)
	a := &asset{
		plain: content, contentType: contentTypes[path.Ext(name)],
		etag: `"` + hex.EncodeToString(sum[:16]) + `"`, immutable: strings.HasPrefix(name, "assets/"),
	}
	if a.contentType == "" {
		return nil, fmt.Errorf("%s: no content type is known for %q", name, path.Ext(name))
	}
	if zipped.Len() < len(content) {
		a.zipped = zipped.Bytes()
	}
	return a, nil
}

// contentTypes by extension; they do not depend on what the machine knows of types.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// Paths are the page's, "/" among them.
func (h *Handler) Paths() []string {
	paths := make([]string, 0, len(h.assets))
	for name := range h.assets {
		paths = append(paths, name)
	}
	return paths
}

// ServeHTTP serves one of Paths.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := h.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer") // a job's address is all that it takes to read the job
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Content-Type", a.contentType)
	header.Set("Vary", "Accept-Encoding")
	if a.immutable {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		header.Set("Cache-Control", "no-cache")
	}
	content, etag := a.plain, a.etag
	if a.zipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		content, etag = a.zipped, strings.TrimSuffix(a.etag, `"`)+`-gzip"`
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", strconv.Itoa(len(content)))
	}
	header.Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, 12.5.3).
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, parameter, _ := strings.Cut(part, ";")
		if coding = strings.ToLower(strings.TrimSpace(coding)); coding != "gzip" && coding != "*" {
			continue
		}
		weight, isWeight := strings.CutPrefix(strings.ReplaceAll(parameter, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !isWeight || err == nil && q > 0
	}
	return false
}
