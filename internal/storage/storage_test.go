package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func openTemp(t *testing.T) (store *Store, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "bucket")
	store, err := Open(t.Context(), "file://"+dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store, dir
}

func put(t *testing.T, store *Store, key, content string) {
	t.Helper()
	w, err := store.Replace(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, store *Store, key string) string {
	t.Helper()
	object, err := store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	content, err := io.ReadAll(object)
	if err != nil {
		t.Fatal(err)
	}
	if object.Size != int64(len(content)) {
		t.Errorf("%s: size %d, content has %d", key, object.Size, len(content))
	}
	return string(content)
}

// filesUnder lists everything in a bucket's folder, folders with a slash.
func filesUnder(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if entry.IsDir() {
			rel += "/"
		}
		names = append(names, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAbortLeavesNothing(t *testing.T) {
	store, dir := openTemp(t)
	key := InputKey("ns", "job", "a.gcode")
	w, err := store.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), key); !errors.Is(err, ErrNotFound) {
		t.Errorf("open before commit: %v, want ErrNotFound", err)
	}
	w.Abort()
	if got := filesUnder(t, dir); !slices.Equal(got, []string{"jobs/", "jobs/ns/"}) {
		t.Errorf("left behind: %v", got)
	}
	w.Abort() // harmless
}

func TestDeletePrunesFolders(t *testing.T) {
	store, dir := openTemp(t)
	put(t, store, InputKey("ns", "job", "a.gcode"), "a")
	put(t, store, InputKey("ns", "job", "b.gcode"), "b")
	for _, name := range []string{"a.gcode", "b.gcode"} {
		if err := store.Delete(t.Context(), InputKey("ns", "job", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Delete(t.Context(), InputKey("ns", "job", "a.gcode")); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete again: %v, want ErrNotFound", err)
	}
	if got := filesUnder(t, dir); !slices.Equal(got, []string{"jobs/", "jobs/ns/"}) {
		t.Errorf("left behind: %v", got)
	}
}

func TestWalkPrunesWhatACrashLeft(t *testing.T) {
	store, dir := openTemp(t)
	if err := os.MkdirAll(filepath.Join(dir, "jobs/ns/job/attempts/pod"), 0o750); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := store.Walk(t.Context(), "", func(Listed) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if got := filesUnder(t, dir); !slices.Equal(got, []string{"jobs/", "jobs/ns/"}) {
		t.Errorf("left behind: %v", got)
	}
}

func TestCreateIsOnce(t *testing.T) {
	store, dir := openTemp(t)
	for round := range 50 {
		key := ResultKey("ns", fmt.Sprint("uid-", round))
		var won atomic.Int32
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range 8 {
			w, err := store.Create(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprint(w, i); err != nil {
				t.Fatal(err)
			}
			group.Go(func() {
				<-start
				switch err := w.Commit(); {
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
		if got := filesUnder(t, filepath.Join(dir, "jobs/ns", fmt.Sprint("uid-", round))); len(got) != 1 {
			t.Fatalf("left behind: %v", got)
		}
	}
}

func TestFullBucket(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	store, err := Open(t.Context(), "file://"+dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := store.Create(t.Context(), InputKey("ns", "job", "big.gcode"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = w.Write(make([]byte, 256<<10))
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("write: %v, want ErrFull", err)
	}
	if err := store.Probe(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("probe of a full bucket: %v, want ErrFull", err)
	}
	w.Abort()
	if err := store.Probe(t.Context()); err != nil {
		t.Errorf("probe after the upload was dropped: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

func TestLocate(t *testing.T) {
	for key, want := range map[string]Place{
		InputKey("ns", "job", "a.gcode"):         {Namespace: "ns", Job: "job", Kind: PlaceInput, File: "a.gcode"},
		OutputKey("ns", "uid", "pod", "a.gcode"): {Namespace: "ns", Job: "uid", Kind: PlaceOutput, Pod: "pod", File: "a.gcode"},
		ResultKey("ns", "uid"):                   {Namespace: "ns", Job: "uid", Kind: PlaceResult},
		"jobs/ns/uid/result.json.18a.tmp":        {Namespace: "ns", Job: "uid", Kind: PlaceJunk},
		"jobs/ns/uid/x/y/z/w":                    {Namespace: "ns", Job: "uid", Kind: PlaceJunk},
		"jobs/stray":                             {},
		"other/ns/job/input/a":                   {},
		"probe/ABC":                              {Kind: PlaceProbe},
	} {
		if got := Locate(key); got != want {
			t.Errorf("Locate(%q) = %+v, want %+v", key, got, want)
		}
	}
}

func TestOpenRefusesWhatIsNoBucket(t *testing.T) {
	for _, address := range []string{"file://", "ftp://x", "file:///tmp?nonsense=1", "file:///tmp?prefix=a/", ":", "file:///dev/null/x", "s3://"} {
		if store, err := Open(t.Context(), address, 64<<20); err == nil {
			t.Errorf("%q opened: %+v", address, store)
		}
	}
}

// A listing finds what stays while what lies beside it is deleted.
func TestListingWhileFilesGo(t *testing.T) {
	store, err := Open(t.Context(), "file://"+t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	for i := range 200 {
		id := strconv.Itoa(i)
		put(t, store, resumableKey("ns", id, resumableFinished), "yes")
		for part := range 30 {
			put(t, store, partKey("ns", id, int64(part)), "x")
		}
		gone := make(chan error, 1)
		go func() {
			for part := range 30 {
				if err := store.Delete(t.Context(), partKey("ns", id, int64(part))); err != nil {
					gone <- err
				}
			}
			close(gone)
		}()
		for going := true; going; {
			progress, err := store.Progress(t.Context(), "ns", id)
			if err != nil || !progress.Finished {
				t.Fatalf("of an upload that is finished: %+v, %v", progress, err)
			}
			select {
			case err, more := <-gone:
				if more {
					t.Fatal(err)
				}
				going = false
			default:
			}
		}
	}
}
