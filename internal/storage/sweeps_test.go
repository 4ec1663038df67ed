package storage

import (
	"errors"
	"slices"
	"testing"
	"time"

	"bricklayers.dev/bricklayers/internal/storage/storagetest"
)

// walkGoesOn interrupts a walk after each object and wants the next one to visit the rest.
func walkGoesOn(t *testing.T, store *Store) {
	for _, key := range []string{
		InputKey("w", "a", "x.gcode"), InputKey("w", "a-b", "x.gcode"), InputKey("w", "a", "y.gcode"), InputKey("w-w", "a", "x"),
		ResultKey("w", "a"), OutputKey("w", "a", "pod", "x"), "uploads/w/a/info.json", "uploads/w/a/0",
	} {
		put(t, store, key, "content")
	}
	from := func(after string) (keys []string) {
		err := store.Walk(t.Context(), after, func(o Listed) error {
			keys = append(keys, o.Key)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	all := from("")
	if len(all) < 8 {
		t.Fatalf("visited %v", all)
	}
	for i, key := range all {
		if rest := from(key); !slices.Equal(rest, all[i+1:]) {
			t.Errorf("after %s it visited\n%v, want\n%v", key, rest, all[i+1:])
		}
	}
}

func clockIsTheBuckets(t *testing.T, store *Store) {
	now, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, InputKey("clock", "a", "x"), "content")
	_, made, err := store.Stat(t.Context(), InputKey("clock", "a", "x"))
	if err != nil || made.Before(now) || made.Sub(now) > time.Minute {
		t.Errorf("it was %s, then an object was made at %s: %v", now, made, err)
	}
}

func sweepProgressIsKept(t *testing.T, store *Store) {
	want := SweepProgress{After: "jobs/a/b", Kept: 7}
	for _, save := range []*SweepProgress{{After: "jobs/a/a"}, &want} {
		if err := store.SaveSweepProgress(t.Context(), save); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := store.SweepProgress(t.Context()); err != nil || *got != want {
		t.Errorf("kept %+v: %v", got, err)
	}
	for range 2 {
		if err := store.SaveSweepProgress(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := store.SweepProgress(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("after its end: %+v, %v", got, err)
	}
}

// What a process that was killed has left of a write in parts is in no listing.
func TestUnfinishedWritesAreFound(t *testing.T) {
	for query, prefix := range map[string]string{"": "", "&prefix=an/other/": "an/other/"} {
		t.Run("under "+prefix, func(t *testing.T) {
			server := storagetest.S3(t)
			store, err := Open(t.Context(), server.BucketURL()+query, memoryPerWrite)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			ours := InputKey("a", "b", "c.gcode")
			server.BeginUpload(t, prefix+ours)
			server.BeginUpload(t, "elsewhere/"+ours)
			found := 0
			err = store.WalkUnfinished(t.Context(), func(u Unfinished) error {
				found++
				if u.Key != ours || time.Since(u.Begun) > time.Minute {
					t.Errorf("found %+v", u)
				}
				return store.AbortUnfinished(t.Context(), u)
			})
			if left := server.UnfinishedUploads(t); err != nil || found != 1 || left != 1 {
				t.Errorf("found %d, left %d: %v; want one of each", found, left, err)
			}
		})
	}
}
