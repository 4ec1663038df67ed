package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob/azureblob"
	"golang.org/x/sync/errgroup"

	"bricklayers.dev/bricklayers/internal/storage/storagetest"
)

// TestContract is what any kind of bucket must do.
func TestContract(t *testing.T) {
	buckets := map[string]func(t *testing.T) string{
		"file": func(t *testing.T) string { return "file://" + t.TempDir() },
		"s3":   func(t *testing.T) string { return storagetest.S3(t).BucketURL() },
		// Before the product's own prefixes in the order of keys, so that one that is forgotten shows.
		"s3 under a prefix": func(t *testing.T) string { return storagetest.S3(t).BucketURL() + "&prefix=an/other/" },
	}
	tests := map[string]func(t *testing.T, store *Store){
		"any file name":               anyFileName,
		"missing objects":             missingObjects,
		"large objects":               largeObjects,
		"sizes around a part":         sizesAroundAPart,
		"an abort leaves nothing":     abortLeavesNothing,
		"create is once":              createIsOnce,
		"replace takes the new":       replaceTakesTheNew,
		"the first result stands":     firstResultStands,
		"a cancelled write is none":   cancelledWriteIsNone,
		"a probe leaves nothing":      probeLeavesNothing,
		"signed addresses":            signedAddresses,
		"signed writes":               signedWrites,
		"a walk goes on":              walkGoesOn,
		"the clock is the bucket's":   clockIsTheBuckets,
		"a sweep's progress is kept":  sweepProgressIsKept,
		"memory of writes is bounded": memoryIsBounded,
	}
	for kind, address := range buckets {
		t.Run(kind, func(t *testing.T) {
			store, err := Open(t.Context(), address(t), 3*memoryPerWrite)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			})
			for name, test := range tests {
				t.Run(name, func(t *testing.T) { test(t, store) })
			}
		})
	}
}

// listed returns the keys under a namespace.
func listed(t *testing.T, store *Store, namespace string) []string {
	t.Helper()
	var keys []string
	err := store.Walk(t.Context(), "", func(o Listed) error {
		if strings.HasPrefix(o.Key, NamespacePrefix(namespace)) || strings.HasPrefix(o.Key, probePrefix) {
			keys = append(keys, o.Key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func anyFileName(t *testing.T, store *Store) {
	names := []string{"a.gcode", "ä ö.gcode", "a..", "100%.gcode", "a?b#c", "a__b", "a+b&c=d", strings.Repeat("x", 200)}
	for _, name := range names {
		put(t, store, InputKey("names", "job", name), name)
	}
	for _, name := range names {
		if got := read(t, store, InputKey("names", "job", name)); got != name {
			t.Errorf("%q holds %q", name, got)
		}
	}
	keys := listed(t, store, "names")
	if len(keys) != len(names) {
		t.Errorf("listed %d objects, want %d", len(keys), len(names))
	}
	for _, key := range keys {
		if _, _, err := store.Stat(t.Context(), key); err != nil {
			t.Errorf("listed, but: %v", err)
		}
		if err := store.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
}

func missingObjects(t *testing.T, store *Store) {
	key := InputKey("missing", "job", "a.gcode")
	if _, err := store.Open(t.Context(), key); !errors.Is(err, ErrNotFound) {
		t.Errorf("open: %v, want ErrNotFound", err)
	}
	if _, _, err := store.Stat(t.Context(), key); !errors.Is(err, ErrNotFound) {
		t.Errorf("stat: %v, want ErrNotFound", err)
	}
	if err := store.Delete(t.Context(), key); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete: %v, want ErrNotFound", err)
	}
}

// sizesAroundAPart writes several objects at a time, which must not get each other's memory.
func sizesAroundAPart(t *testing.T, store *Store) {
	const slack = 10
	random := make([]byte, 2*partSize+slack)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	var group errgroup.Group
	group.SetLimit(3)
	key := func(size int) string { return InputKey("sizes", "job", strconv.Itoa(size)) }
	sizes := []int{0, 1, partSize - 1, partSize, partSize + 1, 2 * partSize, 2*partSize + 1}
	for i, size := range sizes {
		group.Go(func() error { return putInPieces(t.Context(), store, key(size), random[i:i+size]) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, size := range sizes {
		if got := read(t, store, key(size)); got != string(random[i:i+size]) {
			t.Errorf("of %d bytes, %d are read, or others", size, len(got))
		}
	}
}

func putInPieces(ctx context.Context, store *Store, key string, content []byte) error {
	w, err := store.Create(ctx, key)
	if err != nil {
		return err
	}
	defer w.Abort()
	for piece := range slices.Chunk(content, 1000*1000) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return w.Commit()
}

func largeObjects(t *testing.T, store *Store) {
	content := make([]byte, 2*partSize+12345)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(content)
	w, err := store.Create(t.Context(), InputKey("large", "job", "a.gcode"))
	if err != nil {
		t.Fatal(err)
	}
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 128<<10)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	object, err := store.Open(t.Context(), InputKey("large", "job", "a.gcode"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	if got, err := io.ReadAll(object); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes of %d, or others: %v", len(got), len(content), err)
	}
	if _, err := object.Seek(partSize-3, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 10)
	if _, err := io.ReadFull(object, part); err != nil || !bytes.Equal(part, content[partSize-3:partSize+7]) {
		t.Errorf("a range in the middle: %v", err)
	}
}

func abortLeavesNothing(t *testing.T, store *Store) {
	w, err := store.Create(t.Context(), InputKey("abort", "job", "a.gcode"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, partSize+1)); err != nil {
		t.Fatal(err)
	}
	if keys := listed(t, store, "abort"); len(keys) > 0 && store.dir == "" {
		t.Errorf("seen before the commit: %v", keys)
	}
	w.Abort()
	w.Abort() // harmless
	if keys := listed(t, store, "abort"); len(keys) > 0 {
		t.Errorf("left behind: %v", keys)
	}
}

func createIsOnce(t *testing.T, store *Store) {
	for round := range 20 {
		key := ResultKey("once", fmt.Sprint(round))
		var won atomic.Int32
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range 8 {
			group.Go(func() {
				<-start
				switch err := store.createSmall(t.Context(), key, fmt.Append(nil, i)); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ErrExists):
					t.Error(err)
				}
			})
		}
		close(start)
		group.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d writers committed, want 1", won.Load())
		}
	}
}

func replaceTakesTheNew(t *testing.T, store *Store) {
	key := OutputKey("replace", "uid", "pod", "a.gcode")
	put(t, store, key, "first")
	put(t, store, key, "second")
	if got := read(t, store, key); got != "second" {
		t.Errorf("content %q, want the second", got)
	}
}

func firstResultStands(t *testing.T, store *Store) {
	if _, err := store.Result(t.Context(), "result", "uid"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no result yet: %v, want ErrNotFound", err)
	}
	first := &Manifest{PodUID: "pod-1", Files: []File{{Name: "a", Size: 1, SHA256: strings.Repeat("0", 64)}}}
	if _, err := store.CommitResult(t.Context(), "result", "uid", first); err != nil {
		t.Fatal(err)
	}
	standing, err := store.CommitResult(t.Context(), "result", "uid", &Manifest{PodUID: "pod-2"})
	if !errors.Is(err, ErrExists) || standing == nil || standing.PodUID != "pod-1" {
		t.Errorf("second commit: %+v, %v; want the first and ErrExists", standing, err)
	}
	if got, err := store.Result(t.Context(), "result", "uid"); err != nil || got.File("a") == nil || got.File("b") != nil {
		t.Errorf("result: %+v, %v", got, err)
	}
}

func cancelledWriteIsNone(t *testing.T, store *Store) {
	ctx, cancel := context.WithCancel(t.Context())
	w, err := store.Replace(ctx, OutputKey("cancelled", "uid", "pod", "a.gcode"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Commit(); err == nil {
		t.Error("a write whose context ended was committed")
	}
	if keys := listed(t, store, "cancelled"); len(keys) > 0 {
		t.Errorf("left behind: %v", keys)
	}
}

func probeLeavesNothing(t *testing.T, store *Store) {
	if err := store.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys := listed(t, store, "probe"); len(keys) > 0 {
		t.Errorf("left behind: %v", keys)
	}
}

func signedAddresses(t *testing.T, store *Store) {
	name := "größe.gcode"
	key := OutputKey("signed", "uid", "pod", name)
	put(t, store, key, "content")
	address, err := store.SignedURL(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if store.dir != "" {
		if address != "" {
			t.Errorf("a folder has no address, but %s", address)
		}
		return
	}
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "content" {
		t.Errorf("answer %s %q: %v", response.Status, body, err)
	}
	_, params, err := mime.ParseMediaType(response.Header.Get("Content-Disposition"))
	if err != nil || params["filename"] != name {
		t.Errorf("Content-Disposition %q: %v", response.Header.Get("Content-Disposition"), err)
	}
}

// signedWrites are for one content, whatever is sent.
func signedWrites(t *testing.T, store *Store) {
	const content = "content"
	sum := sha256.Sum256([]byte(content))
	digest := hex.EncodeToString(sum[:])
	key := OutputKey("signed-put", "uid", "pod", "größe.gcode")
	signed, err := store.SignedPut(t.Context(), key, int64(len(content)), digest)
	if err != nil {
		t.Fatal(err)
	}
	if store.dir != "" {
		if signed != nil {
			t.Errorf("a folder has no address, but %s", signed.URL)
		}
		put(t, store, key, content)
	} else {
		for _, body := range []string{"CONTENT", "too long a content", content} {
			if status := sendSigned(t, signed, body); (status == http.StatusOK) != (body == content) {
				t.Errorf("%q: status %d", body, status)
			}
		}
	}
	for _, test := range []struct {
		size   int64
		digest string
		want   bool
	}{
		{int64(len(content)), digest, true},
		{int64(len(content)) - 1, digest, false},
		{int64(len(content)), strings.Repeat("0", 64), store.dir != ""}, // a folder knows no digest
	} {
		if ok, err := store.Verify(t.Context(), key, test.size, test.digest); err != nil || ok != test.want {
			t.Errorf("%d bytes of %s: %t, %v", test.size, test.digest, ok, err)
		}
	}
	if _, err := store.Verify(t.Context(), key+"x", 1, digest); !errors.Is(err, ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
}

func sendSigned(t *testing.T, signed *SignedPut, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, signed.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range signed.Header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

func memoryIsBounded(t *testing.T, store *Store) {
	if store.memory == nil {
		return // a folder takes no memory
	}
	var writers []*Writer
	for i := range 2 { // three quarters of what the test opened the store with
		w, err := store.Create(t.Context(), InputKey("memory", "job", fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // a patience that can be tested
	defer cancel()
	if _, err := store.Create(ctx, InputKey("memory", "job", "x")); !errors.Is(err, ErrBusy) {
		t.Errorf("an upload beyond the budget: %v, want ErrBusy", err)
	}
	result, err := store.Replace(t.Context(), OutputKey("memory", "job", "pod", "result"))
	if err != nil {
		t.Fatalf("uploads leave no room for a result: %v", err)
	}
	writers = append(writers, result)
	if _, err := store.Replace(ctx, OutputKey("memory", "job", "pod", "x")); !errors.Is(err, ErrBusy) {
		t.Errorf("a result beyond the budget: %v, want ErrBusy", err)
	}
	for _, w := range writers {
		w.Abort()
	}
	put(t, store, InputKey("memory", "job", "after"), "fits again")
}

func TestS3KeepsNoPartsOfAnAbortedUpload(t *testing.T) {
	server := storagetest.S3(t)
	store, err := Open(t.Context(), server.BucketURL(), 3*memoryPerWrite)
	if err != nil {
		t.Fatal(err)
	}
	w, err := store.Create(t.Context(), InputKey("parts", "job", "a.gcode"))
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 128<<10)
	for range 3 * partSize / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if server.UnfinishedUploads(t) != 1 {
		t.Fatal("nothing is under way, so this test shows nothing")
	}
	w.Abort()
	if n := server.UnfinishedUploads(t); n != 0 {
		t.Errorf("%d uploads are left unfinished", n)
	}
}

// The other kinds have no server that runs here: that their addresses are understood is all that is tested.
func TestOtherKindsOfBuckets(t *testing.T) {
	t.Setenv("AZURE_STORAGE_ACCOUNT", "account")
	t.Setenv("AZURE_STORAGE_KEY", "a2V5")
	for _, address := range []string{"gs://prints?anonymous=true", "azblob://prints"} {
		store, err := Open(t.Context(), address, memoryPerWrite)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(t.Context(), "s3://prints?region=x", memoryPerWrite-1); err == nil {
		t.Error("a budget too small for one write was accepted")
	}
}

// Azure's signed addresses take the account's key. A workload's identity has none.
func TestAzureWithoutKeySignsNothing(t *testing.T) {
	client, err := container.NewClientWithNoCredential("https://account.blob.core.windows.net/prints", nil)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := azureblob.OpenBucket(t.Context(), client, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bucket.Close() }()
	if address, err := (&Store{bucket: bucket}).SignedURL(t.Context(), "key"); address != "" || err != nil {
		t.Errorf("%q, %v", address, err)
	}
}

// Some stores that speak S3 know no conditional writes. The one that the tests run knows them, so this is a fake of one.
func TestProbeRefusesABucketThatOverwrites(t *testing.T) {
	puts := 0
	overwriting := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			puts++
		}
	}))
	defer overwriting.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	address := "s3://prints?region=r&use_path_style=true&endpoint=" + url.QueryEscape(overwriting.URL)
	store, err := Open(t.Context(), address, memoryPerWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	if err := store.Probe(t.Context()); !errors.Is(err, errOverwrites) || puts != 2 {
		t.Errorf("after %d writes: %v", puts, err)
	}
}
