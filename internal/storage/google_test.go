package storage

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestUnreadableOnGoogle has a server that says what Google's says of an object that may be listed and not be read. It is
// none of Google's, which cannot be had here.
func TestUnreadableOnGoogle(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/b/prints/o") {
			http.Error(w, "no storage.objects.get", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		items := ""
		const key = "uploads/ns/there/info.json"
		if strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
			items = `{"name": "` + key + `", "size": "7", "updated": "2026-01-01T00:00:00Z"}`
		}
		_, _ = w.Write([]byte(`{"kind": "storage#objects", "items": [` + items + `]}`))
	}))
	defer server.Close()
	t.Setenv("STORAGE_EMULATOR_HOST", server.Listener.Addr().String())
	store, err := Open(t.Context(), "gs://prints?anonymous=true", memoryPerWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	for id, want := range map[string]bool{"there": true, "gone": false} {
		if _, err := store.Resumable(t.Context(), "ns", id); !errors.Is(err, ErrNotFound) {
			t.Fatalf("%s: %v: then this test shows nothing", id, err)
		}
		if listed, err := store.ResumableListed(t.Context(), "ns", id); listed != want || err != nil {
			t.Errorf("%s: listed is %v, %v; want %v", id, listed, err, want)
		}
	}
}
