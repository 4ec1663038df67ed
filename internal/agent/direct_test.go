package agent

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"bricklayers.dev/bricklayers/internal/podapi"
)

// bucket notes what is put into it.
func bucket(t *testing.T, status int) (address string, got *http.Request, body *string) {
	got, body = &http.Request{}, new(string)
	server := script(t, func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		*got, *body = *r, string(content)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "said the bucket")
	})
	return server.URL + "/signed", got, body
}

func TestStoreDirectly(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		through bool // the gateway, in the end
	}{
		"taken":   {200, false},
		"refused": {403, true},
	} {
		t.Run(name, func(t *testing.T) {
			address, got, body := bucket(t, test.status)
			taken := &podapi.Commit{}
			through := false
			gateway := script(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost && r.URL.Path != podapi.CommitPath {
					_ = json.NewEncoder(w).Encode(podapi.SignedPut{URL: address, Header: map[string]string{"X-Signed": "yes"}})
					return
				}
				through = through || r.Method == http.MethodPut
				take(taken)(w, r)
			})
			s := &Store{Gateway: gateway.URL, TokenFile: tokenFile(t), Data: podData(t, "a.gcode"), backoff: quick}
			if err := s.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if *body != content || got.Header.Get("X-Signed") != "yes" || got.Header.Get("Authorization") != "" ||
				got.ContentLength != int64(len(content)) {
				t.Errorf("the bucket got %q with %v", *body, got.Header)
			}
			if through != test.through {
				t.Errorf("through the gateway: %t", through)
			}
			if len(taken.Files) != 1 || taken.Files[0] != (podapi.File{Name: "a.gcode", Size: int64(len(content)), SHA256: digest(content)}) {
				t.Errorf("committed %+v", taken)
			}
		})
	}
}

// A pod that cannot reach the bucket waits for it once, not once for each file.
func TestStoreGivesUpOnTheBucketOnce(t *testing.T) {
	tries := 0
	bucket := script(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		w.WriteHeader(http.StatusForbidden)
	})
	taken := &podapi.Commit{}
	gateway := script(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path != podapi.CommitPath {
			_ = json.NewEncoder(w).Encode(podapi.SignedPut{URL: bucket.URL})
			return
		}
		take(taken)(w, r)
	})
	s := &Store{Gateway: gateway.URL, TokenFile: tokenFile(t), Data: podData(t, "a", "b", "c"), backoff: quick}
	if err := s.Run(t.Context()); err != nil || len(taken.Files) != 3 {
		t.Fatalf("committed %+v: %v", taken, err)
	}
	if tries != 1 {
		t.Errorf("it tried the bucket %d times", tries)
	}
}

// Only the input may be elsewhere: a redirect says nothing of whether a result was taken.
func TestStoreBelievesNoRedirect(t *testing.T) {
	for _, path := range []string{podapi.OutputsPath + "a", podapi.CommitPath} {
		taken := &podapi.Commit{}
		gateway := script(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				w.Header().Set("Location", "https://example.com/")
				w.WriteHeader(http.StatusTemporaryRedirect)
				_, _ = io.WriteString(w, "{}")
				return
			}
			take(taken)(w, r)
		})
		s := &Store{Gateway: gateway.URL, TokenFile: tokenFile(t), Data: podData(t, "a"), backoff: quick}
		if err := s.Run(t.Context()); err == nil {
			t.Errorf("%s was answered with a redirect, and the step ended well", path)
		}
	}
}

func TestFetchDirectly(t *testing.T) {
	for name, status := range map[string]int{"sent": 200, "refused": 403} {
		t.Run(name, func(t *testing.T) {
			var leaked string
			bucket := script(t, func(w http.ResponseWriter, r *http.Request) {
				leaked = r.Header.Get("Authorization")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, content)
			})
			gateway := script(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery == podapi.ThroughGateway {
					_, _ = io.WriteString(w, content)
					return
				}
				http.Redirect(w, r, bucket.URL, http.StatusTemporaryRedirect)
			})
			data := t.TempDir()
			f := &Fetch{Gateway: gateway.URL, TokenFile: tokenFile(t), Data: data, Name: "a.gcode", Upload: true,
				Size: int64(len(content)), SHA256: digest(content), backoff: quick}
			if err := f.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(data, "in", "a.gcode")); err != nil || string(got) != content {
				t.Errorf("fetched %q: %v", got, err)
			}
			if leaked != "" {
				t.Error("the bucket got the pod's token")
			}
		})
	}
}
