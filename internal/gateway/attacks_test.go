package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// rawServer serves the gateway's API as the program does, for requests that no HTTP client would send. It returns the
// address and, once the server has stopped, the paths that reached the gateway.
func rawServer(t *testing.T) (address string, paths func() []string) {
	t.Helper()
	f := newFixture(t, interceptor.Funcs{})
	var seen []string
	handler := f.Handler(true)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := &Server{Name: "attacked", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Path) // one connection, so one after the other
		handler.ServeHTTP(w, r)
	})}
	go func() { ended <- server.Serve(ctx, listener) }()
	return listener.Addr().String(), func() []string {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return seen
	}
}

// send sends bytes over one connection, then reads every answer until the server closes it or has nothing more to say.
func sendRaw(t *testing.T, address, text string) (statuses []int) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	for {
		if err := connection.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection was left open")
			}
			return statuses
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return statuses
		}
		response.Body.Close()
		statuses = append(statuses, response.StatusCode)
	}
}

// TestSmuggledRequests: whatever a proxy in front takes for the end of a request, what follows it on the connection is
// never a request of somebody else. Every case would have /smuggled follow a request whose end is in doubt.
func TestSmuggledRequests(t *testing.T) {
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	post := func(headers, body string) string {
		return "POST /api/v1/upload?name=a.gcode HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + body
	}
	length := "Content-Length: " + strconv.Itoa(len("0\r\n\r\n"+smuggled)) + "\r\n"
	for name, text := range map[string]string{
		"length for the proxy, chunks for us":  post(length+"Transfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled),
		"chunks on a folded line":              post(length+"Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"+smuggled),
		"space before the colon":               post(length+"Transfer-Encoding : chunked\r\n", "0\r\n\r\n"+smuggled),
		"an encoding that nobody knows":        post(length+"Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+smuggled),
		"two encodings":                        post(length+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"+smuggled),
		"a control character in the encoding":  post(length+"Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"+smuggled),
		"two lengths":                          post("Content-Length: 0\r\n"+length, "0\r\n\r\n"+smuggled),
		"a length with a sign":                 post("Content-Length: +0\r\n", smuggled),
		"a length that is a list":              post("Content-Length: 0, 0\r\n", smuggled),
		"a negative length":                    post("Content-Length: -1\r\n", smuggled),
		"a chunk size with a bare line feed":   post("Transfer-Encoding: chunked\r\n", "0\n\r\n"+smuggled),
		"a chunk size that overflows":          post("Transfer-Encoding: chunked\r\n", "10000000000000000\r\n\r\n"+smuggled),
		"a chunk that is longer than its size": post("Transfer-Encoding: chunked\r\n", "1\r\nab\r\n0\r\n\r\n"+smuggled),
		"a null byte in a header":              post("X: a\x00b\r\nContent-Length: 0\r\n", smuggled),
		"two hosts":                            post("Host: b\r\nContent-Length: 0\r\n", smuggled),
		"chunks by HTTP/1.0": "POST /api/v1/upload?name=a.gcode HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
			smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			address, paths := rawServer(t)
			statuses := sendRaw(t, address, text)
			if len(statuses) != 1 || statuses[0] < 400 {
				t.Errorf("answered %v, want one refusal", statuses)
			}
			if slices.Contains(paths(), "/smuggled") {
				t.Error("the smuggled request arrived")
			}
		})
	}
}

// TestOversizedHeaders are refused before they are held in memory.
func TestOversizedHeaders(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for name, text := range map[string]string{
		"one header":  "GET /readyz HTTP/1.1\r\nHost: a\r\nX: " + long + "\r\n\r\n",
		"an address":  "GET /" + long + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"many":        "GET /readyz HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 20<<10) + "\r\n",
		"no end ever": "GET /readyz HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 20<<10),
	} {
		t.Run(name, func(t *testing.T) {
			address, paths := rawServer(t)
			if statuses := sendRaw(t, address, text); !slices.Equal(statuses, []int{http.StatusRequestHeaderFieldsTooLarge}) {
				t.Errorf("answered %v", statuses)
			}
			if got := paths(); len(got) > 0 {
				t.Errorf("reached the gateway: %.80q", got)
			}
		})
	}
}

// evilNames are file names that would do harm in a path, a header or a page.
var evilNames = []string{
	"../../../../etc/passwd.gcode",
	`..\..\windows\system.gcode`,
	"/etc/cron.d/x.gcode",
	"a\r\nSet-Cookie: session=stolen\r\n\r\n<script>alert(1)</script>.gcode",
	`a"; filename="b.html`,
	"<img src=x onerror=alert(1)>.gcode",
	"<script>alert(1)</script>.html",
	"a\x00.gcode",
	"\u202egpj.gcode",
	strings.Repeat("ö", 300) + ".gcode",
	".. .gcode",
	"%2e%2e%2fetc%2fpasswd.gcode",
	"result.json",
}

// TestNamesInUploads: a file lies where its job's files lie, whatever it is called.
func TestNamesInUploads(t *testing.T) {
	for _, name := range evilNames {
		f := newFixture(t, interceptor.Funcs{})
		a := f.do(http.MethodPost, "/api/v1/upload?name="+escape(name), strings.NewReader(print(50)))
		if a.status != http.StatusCreated && (a.status >= 500 || a.reason() == "") {
			t.Errorf("%q: answered %d %s", name, a.status, a.body)
		}
		for _, path := range f.stored() {
			if dir, file := filepath.Split(path); !strings.HasPrefix(dir, "jobs/"+namespace+"/") || !strings.HasSuffix(dir, "/input/") ||
				strings.ContainsAny(file, "\r\n\x00\u202e") {
				t.Errorf("%q lies at %q", name, path)
			}
		}
		around, err := filepath.Glob(filepath.Join(filepath.Dir(f.dir), "*"))
		if err != nil || len(around) != 1 {
			t.Errorf("%q: beside the bucket lies %v (%v)", name, around, err)
		}
	}
}

// escape puts every byte but letters into the form that survives any parser of addresses.
func escape(name string) string {
	var out strings.Builder
	for _, b := range []byte(name) {
		out.WriteString("%" + strconv.FormatUint(uint64(b)+0x100, 16)[1:])
	}
	return out.String()
}

// TestNamesInDownloads: a browser that downloads a file neither shows it nor learns a header from its name.
func TestNamesInDownloads(t *testing.T) {
	for _, name := range evilNames[3:] {
		if strings.ContainsAny(name, "\r\n\x00/\\") || len(name) > 200 {
			continue // the pod port refuses it; see the integration tests
		}
		f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
		f.commit("done", map[string]string{name: "<script>alert(1)</script>"})
		a := f.do(http.MethodGet, "/api/v1/download/done", nil)
		disposition, parameters, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
		if a.status != http.StatusOK || err != nil || disposition != "attachment" || parameters["filename"] != name {
			t.Errorf("%q: answered %d with %q (%v)", name, a.status, a.header.Get("Content-Disposition"), err)
		}
		if kind := a.header.Get("Content-Type"); strings.Contains(kind, "html") || strings.Contains(kind, "script") ||
			a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%q: sent with %v", name, a.header)
		}
	}
}

// TestForgedRequests: a page of another origin can have a browser send these, with whatever the browser adds by itself.
func TestForgedRequests(t *testing.T) {
	for _, c := range []struct{ method, path, contentType string }{
		{"POST", "/api/v1/upload", "multipart/form-data; boundary=b"},
		{"POST", "/api/v1/upload?name=a.gcode", "text/plain"},
		{"POST", "/api/v1/upload?name=a.gcode", "application/x-www-form-urlencoded"},
		{"DELETE", "/api/v1/jobs/done", ""},
	} {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
			{"Origin", "https://evil.example.com"},
			{"Origin", "null"},
		} {
			f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
			a := f.do(c.method, c.path, strings.NewReader(print(50)), append(header, "Content-Type", c.contentType)...)
			if a.status != http.StatusForbidden || a.reason() != "cross_origin" || len(f.jobs()) != 1 || len(f.stored()) != 0 {
				t.Errorf("%s %s with %v: answered %d %s", c.method, c.path, header, a.status, a.body)
			}
		}
	}
}
