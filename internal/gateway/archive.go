package gateway

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/storage"
	"bricklayers.dev/bricklayers/internal/tracing"
)

const zipType = "application/zip"

// maxArchives are made at a time: each takes a core, and memory to compress with.
const maxArchives = 16

// wantsArchive tells whether a request is for all files of a result in one.
func wantsArchive(r *http.Request) (bool, error) {
	query := r.URL.Query()
	switch archive := query.Get("archive"); {
	case archive != "" && archive != "zip":
		return false, fail(http.StatusBadRequest, reasonBadField, "archive is %q; there is zip", archive)
	case archive != "" && query.Has("file"):
		return false, fail(http.StatusBadRequest, reasonBadField, "archive is for all files; leave out either archive or file")
	case archive != "":
		return true, nil
	case query.Has("file"):
		return false, nil
	}
	for accepted := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if mediaType, params, err := mime.ParseMediaType(accepted); err == nil && mediaType == zipType && params["q"] != "0" {
			return true, nil
		}
	}
	return false, nil
}

// sendArchive streams all files of a result as a zip. Nothing of it is kept anywhere, so its size is not known before
// its end, and there are no ranges of it.
func (g *Gateway) sendArchive(w http.ResponseWriter, r *http.Request, job *v1alpha1.ProcessingJob,
	manifest *storage.Manifest,
) error {
	keyOf := func(file storage.File) string {
		return storage.OutputKey(job.Namespace, string(job.UID), manifest.PodUID, file.Name)
	}
	hash := sha256.New()
	for _, file := range manifest.Files { // what is missing must be known before the answer begins
		size, _, err := g.store.Stat(r.Context(), keyOf(file))
		if err != nil {
			return missingOrStorage(err)
		}
		if size != file.Size {
			return wrongSize(keyOf(file), size, file.Size)
		}
		fmt.Fprintf(hash, "%s %q\n", file.SHA256, file.Name)
	}
	etag := `W/"` + hex.EncodeToString(hash.Sum(nil)) + `"` // weak: another compressor makes other bytes of the same files
	unchanged := matches(r.Header.Get("If-None-Match"), strings.TrimPrefix(etag, "W/"))
	if !unchanged && r.Method != http.MethodHead {
		if !g.archives.TryAcquire(1) {
			return fail(http.StatusServiceUnavailable, reasonTooManyArchives,
				"too many archives are being made; try again, or download the files one by one").after(10 * time.Second)
		}
		defer g.archives.Release(1)
	}
	header := w.Header()
	header.Set("ETag", etag)
	header.Set("Vary", "Accept")
	header.Set("Cache-Control", "private, no-cache")
	if unchanged {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", zipType)
	header.Set("Accept-Ranges", "none")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": archiveName(job)}))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := g.writeArchive(r.Context(), w, manifest, keyOf, modified(job)); err != nil {
		if r.Context().Err() == nil {
			tracing.Log(r.Context(), job).Error(err, "a download as zip broke off")
		}
		panic(http.ErrAbortHandler) // or the client would take what it has for the whole answer
	}
	return nil
}

// writeArchive writes the files one after the other; package zip writes ZIP64 where the numbers ask for it.
func (g *Gateway) writeArchive(ctx context.Context, w io.Writer, manifest *storage.Manifest,
	keyOf func(storage.File) string, modified time.Time,
) error {
	archive := zip.NewWriter(w)
	for _, file := range manifest.Files {
		entry, err := archive.CreateHeader(&zip.FileHeader{Name: file.Name, Method: zipMethod(file.Name), Modified: modified})
		if err != nil {
			return err
		}
		if err := g.copyObject(ctx, entry, keyOf(file), file.Size); err != nil {
			return err
		}
	}
	return archive.Close()
}

func (g *Gateway) copyObject(ctx context.Context, w io.Writer, key string, size int64) error {
	object, err := g.store.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }() // it was only read
	n, err := io.Copy(w, object)
	if err == nil && n != size {
		err = wrongSize(key, n, size)
	}
	return err
}

// packed are files that are compressed already: to try again costs time and gains nothing.
var packed = []string{
	".bgcode", ".3mf", ".zip", ".gz", ".xz", ".zst", ".bz2", ".7z", ".png", ".jpg", ".jpeg", ".webp", ".mp4",
}

func zipMethod(name string) uint16 {
	if slices.Contains(packed, strings.ToLower(path.Ext(name))) {
		return zip.Store
	}
	return zip.Deflate
}

// archiveName is made of the input's name, which was checked like any file's.
func archiveName(job *v1alpha1.ProcessingJob) string {
	name := inputName(job)
	if name == "" {
		name = job.Name
	}
	return strings.TrimSuffix(name, path.Ext(name)) + ".zip"
}

func modified(job *v1alpha1.ProcessingJob) time.Time {
	return ptr.Deref(job.Status.CompletionTime, job.CreationTimestamp).UTC()
}
