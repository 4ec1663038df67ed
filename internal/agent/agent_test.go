package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bricklayers.dev/bricklayers/internal/podapi"
)

const content = "G1 X1 Y1 E1\n"

var quick = backoff{first: time.Millisecond, longest: 4 * time.Millisecond, total: 200 * time.Millisecond}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// tokenFile is a pod's token.
func tokenFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// script answers requests with one handler each, the last one again and again.
func script(t *testing.T, handlers ...http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := handlers[0]
		if len(handlers) > 1 {
			handlers = handlers[1:]
		}
		next(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

func refuse(status int, reason string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(podapi.Problem{Status: status, Reason: reason, Detail: "said the gateway"})
	}
}

func send(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "half")
	panic(http.ErrAbortHandler)
}

// wantEnd checks an error, or that there is none.
func wantEnd(t *testing.T, err error, code int, text string) {
	t.Helper()
	if ExitCode(err) != code || code != 0 && !strings.Contains(err.Error(), text) {
		t.Errorf("ended with %d: %v; want %d and %q", ExitCode(err), err, code, text)
	}
}

// TestRequestsSayTheirSpan that the container has been given, to the gateway and nobody else.
func TestRequestsSayTheirSpan(t *testing.T) {
	const span = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, given := range []string{span, ""} {
		t.Setenv(podapi.EnvTraceparent, given)
		bucket := script(t, func(w http.ResponseWriter, r *http.Request) {
			if said := r.Header.Get(podapi.HeaderTraceparent); said != "" {
				t.Errorf("the bucket is told %q", said)
			}
			send(content)(w, r)
		})
		gateway := script(t, func(w http.ResponseWriter, r *http.Request) {
			if said := r.Header.Get(podapi.HeaderTraceparent); said != given {
				t.Errorf("the gateway is told %q, want %q", said, given)
			}
			http.Redirect(w, r, bucket.URL, http.StatusTemporaryRedirect)
		})
		f := &Fetch{
			Gateway: gateway.URL, TokenFile: tokenFile(t), Data: t.TempDir(), Name: "a.gcode",
			Upload: true, Size: int64(len(content)), SHA256: digest(content), backoff: quick,
		}
		wantEnd(t, f.Run(t.Context()), 0, "")
	}
}

func TestFetchUpload(t *testing.T) {
	authorized := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != podapi.InputPath || r.Header.Get("Authorization") != "Bearer secret" {
			refuse(http.StatusTeapot, "wrong_request")(w, r)
			return
		}
		send(content)(w, r)
	}
	for name, test := range map[string]struct {
		handlers []http.HandlerFunc
		code     int
		text     string
	}{
		"at once":              {[]http.HandlerFunc{authorized}, 0, ""},
		"the gateway restarts": {[]http.HandlerFunc{refuse(503, "storage_unavailable"), cut, authorized}, 0, ""},
		"the pod is too new":   {[]http.HandlerFunc{refuse(401, "not_a_job_pod"), authorized}, 0, ""},
		"damaged on the way":   {[]http.HandlerFunc{send("G1 X1 Y1 E2\n"), authorized}, 0, ""},
		"damaged in the store": {[]http.HandlerFunc{send("other")}, 1, "were uploaded"},
		"gone":                 {[]http.HandlerFunc{refuse(410, "file_missing")}, 1, "file_missing"},
		"not ours":             {[]http.HandlerFunc{refuse(403, "not_a_job_pod"), authorized}, 1, "not_a_job_pod"},
		"down":                 {[]http.HandlerFunc{refuse(503, "storage_unavailable")}, 1, "gave up"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			f := &Fetch{
				Gateway: script(t, test.handlers...).URL, TokenFile: tokenFile(t), Data: data, Name: "a.gcode",
				Upload: true, Size: int64(len(content)), SHA256: digest(content), backoff: quick,
			}
			err := f.Run(t.Context())
			wantEnd(t, err, test.code, test.text)
			if err == nil {
				wantFetched(t, data)
			}
		})
	}
}

// wantFetched checks what fetch leaves for the steps after it.
func wantFetched(t *testing.T, data string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(data, "in", "a.gcode")); err != nil || string(got) != content {
		t.Errorf("fetched %q: %v", got, err)
	}
	var facts podapi.File
	raw, err := os.ReadFile(filepath.Join(data, "meta", "input.json"))
	if err != nil || json.Unmarshal(raw, &facts) != nil || facts != (podapi.File{Name: "a.gcode", Size: int64(len(content)), SHA256: digest(content)}) {
		t.Errorf("facts %s: %v", raw, err)
	}
	if info, err := os.Stat(filepath.Join(data, "out")); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("out: %v, %v", info, err)
	}
}

func TestFetchURL(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	for name, test := range map[string]struct {
		allow    []netip.Prefix
		handlers []http.HandlerFunc
		code     int
		text     string
	}{
		"good":                   {loopback, []http.HandlerFunc{send(content)}, 0, ""},
		"tried again":            {loopback, []http.HandlerFunc{refuse(503, ""), refuse(429, ""), cut, send(content)}, 0, ""},
		"redirected":             {loopback, []http.HandlerFunc{redirect("/there"), send(content)}, 0, ""},
		"a private address":      {nil, []http.HandlerFunc{send(content)}, 65, "not an https address"},
		"another private range":  {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []http.HandlerFunc{send(content)}, 65, "not an https address"},
		"not found":              {loopback, []http.HandlerFunc{refuse(404, "")}, 65, "404"},
		"gone":                   {loopback, []http.HandlerFunc{refuse(410, "")}, 65, "410"},
		"needs a password":       {loopback, []http.HandlerFunc{refuse(401, "")}, 65, "401"},
		"redirected to metadata": {loopback, []http.HandlerFunc{redirect("https://169.254.169.254/latest")}, 65, "169.254.169.254"},
		"redirected to http":     {loopback, []http.HandlerFunc{redirect("http://example.com/")}, 65, "not an https address"},
		"redirected for ever":    {loopback, []http.HandlerFunc{redirect("/again")}, 65, "more than 5 redirects"},
		"too large":              {loopback, []http.HandlerFunc{send(strings.Repeat(content, 10))}, 65, "the processor takes"},
		"too large, not told": {loopback, []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			send(strings.Repeat(content, 10))(w, r)
		}}, 65, "larger than"},
		"down": {loopback, []http.HandlerFunc{refuse(500, "")}, 1, "gave up"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			f := &Fetch{
				Data: data, Name: "a.gcode", URL: script(t, test.handlers...).URL + "/a.gcode", AllowCIDRs: test.allow,
				MaxSize: 64, backoff: quick,
			}
			err := f.Run(t.Context())
			wantEnd(t, err, test.code, test.text)
			if err == nil {
				wantFetched(t, data)
			}
		})
	}
}

// The name of a host says nothing about where it leads, so the address is checked when it is connected to.
func TestFetchURLChecksTheAddressItConnectsTo(t *testing.T) {
	f := &Fetch{Data: t.TempDir(), Name: "a.gcode", URL: "https://localhost:1/a.gcode", backoff: quick}
	wantEnd(t, f.Run(t.Context()), 65, "none that an input may come from")
}

func TestFetchFile(t *testing.T) {
	source := t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "a.gcode"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file string
		max  int64
		code int
		text string
	}{
		"good":      {filepath.Join(source, "a.gcode"), 64, 0, ""},
		"missing":   {filepath.Join(source, "b.gcode"), 64, 65, "not there"},
		"a folder":  {source, 64, 65, "not a regular file"},
		"too large": {filepath.Join(source, "a.gcode"), 3, 65, "larger than the 3 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			err := (&Fetch{Data: data, Name: "a.gcode", File: test.file, MaxSize: test.max, backoff: quick}).Run(t.Context())
			wantEnd(t, err, test.code, test.text)
			if err == nil {
				wantFetched(t, data)
			}
		})
	}
}

// podData is a pod's volume after the process, with these outputs.
func podData(t *testing.T, outputs ...string) string {
	t.Helper()
	data := t.TempDir()
	f := &Fetch{Data: data, Name: "a.gcode"}
	if err := f.makeFolders(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(factsFile(data), []byte(`{"name":"a.gcode","size":1,"sha256":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range outputs {
		if err := os.WriteFile(filepath.Join(outFolder(data), name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// take is a gateway that takes outputs and commits.
func take(taken *podapi.Commit) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if name, ok := strings.CutPrefix(r.URL.Path, podapi.OutputsPath); ok {
			if r.Method == http.MethodPost { // there is no other place for it
				_, _ = io.WriteString(w, "{}")
				return
			}
			_ = json.NewEncoder(w).Encode(podapi.File{Name: name, Size: int64(len(body)), SHA256: digest(string(body))})
			return
		}
		_ = json.Unmarshal(body, taken)
	}
}

func TestStore(t *testing.T) {
	taken := &podapi.Commit{}
	gateway := take(taken)
	for name, test := range map[string]struct {
		handlers []http.HandlerFunc
		code     int
		text     string
	}{
		"at once":                      {[]http.HandlerFunc{gateway}, 0, ""},
		"the gateway restarts":         {[]http.HandlerFunc{refuse(503, ""), gateway, cut, gateway, gateway, gateway, gateway, refuse(503, ""), gateway}, 0, ""},
		"an older gateway":             {[]http.HandlerFunc{refuse(405, "method_not_allowed"), gateway, gateway, gateway, gateway}, 0, ""},
		"a result before the outputs":  {[]http.HandlerFunc{refuse(409, podapi.ReasonAlreadyCommitted)}, 0, ""},
		"a result between the outputs": {[]http.HandlerFunc{gateway, gateway, gateway, refuse(409, podapi.ReasonAlreadyCommitted)}, 0, ""},
		"another pod's result":         {[]http.HandlerFunc{gateway, gateway, gateway, gateway, refuse(409, podapi.ReasonAlreadyCommitted)}, 0, ""},
		"too late":                     {[]http.HandlerFunc{gateway, gateway, gateway, gateway, refuse(409, podapi.ReasonJobFinished)}, 1, "job_finished"},
		"too large":                    {[]http.HandlerFunc{refuse(413, "output_too_large")}, 1, "output_too_large"},
		"down":                         {[]http.HandlerFunc{refuse(507, "storage_full")}, 1, "gave up"},
	} {
		t.Run(name, func(t *testing.T) {
			*taken = podapi.Commit{}
			s := &Store{Gateway: script(t, test.handlers...).URL, TokenFile: tokenFile(t), Data: podData(t, "a b.gcode", "ä.txt"), backoff: quick}
			err := s.Run(t.Context())
			wantEnd(t, err, test.code, test.text)
			if test.code != 0 || strings.Contains(name, "result") {
				return
			}
			if taken.Input.Name != "a.gcode" || len(taken.Files) != 2 || taken.Files[0] != (podapi.File{Name: "a b.gcode", Size: int64(len(content)), SHA256: digest(content)}) || taken.Files[1].Name != "ä.txt" {
				t.Errorf("committed %+v", taken)
			}
		})
	}
}

func TestStoreRefusesWhatIsNoResult(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(out string) error
		text    string
	}{
		"nothing":     {func(string) error { return nil }, "left no file"},
		"a folder":    {func(out string) error { return os.Mkdir(filepath.Join(out, "sub"), 0o700) }, "not a regular file"},
		"a link":      {func(out string) error { return os.Symlink("/etc/passwd", filepath.Join(out, "a.gcode")) }, "not a regular file"},
		"a dot file":  {func(out string) error { return os.WriteFile(filepath.Join(out, ".a"), nil, 0o600) }, "begins with a dot"},
		"a line feed": {func(out string) error { return os.WriteFile(filepath.Join(out, "a\nb"), nil, 0o600) }, "control character"},
	} {
		t.Run(name, func(t *testing.T) {
			data := podData(t)
			if err := test.prepare(outFolder(data)); err != nil {
				t.Fatal(err)
			}
			err := (&Store{Gateway: "http://127.0.0.1:1", TokenFile: tokenFile(t), Data: data, backoff: quick}).Run(t.Context())
			wantEnd(t, err, 1, test.text)
		})
	}
}

func TestCommandLine(t *testing.T) {
	for args, text := range map[string]string{
		"":                        "fetch or store",
		"run":                     "fetch or store",
		"store":                   "--gateway is missing",
		"store --gateway=x y":     "unexpected argument",
		"fetch":                   "--name is missing",
		"fetch --name=a":          "one of --upload, --url, --file",
		"fetch --name=a --upload": "--gateway is missing",
		"fetch --name=a --url=https://x --file=y":         "one of --upload, --url, --file",
		"fetch --name=a --url=https://x --allow-cidr=a,b": "--allow-cidr",
		"fetch --name=../a --file=x --data=/nonexistent":  "dot",
	} {
		err := Run(t.Context(), strings.Fields(args))
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want %q", args, err, text)
		}
	}
}
