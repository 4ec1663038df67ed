package gateway

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestTusRefuses(t *testing.T) {
	long := print(900)
	for name, test := range map[string]struct {
		size   int
		fields map[string]string
		status int
		reason string
	}{
		"no name":           {10, map[string]string{}, 400, "no_file"},
		"empty":             {0, namedA, 400, "empty"},
		"too large":         {300 << 10, namedA, 413, "file_too_large"},
		"extension":         {10, map[string]string{"filename": "a.txt"}, 415, "invalid_extension"},
		"processor":         {10, map[string]string{"filename": "a.gcode", "processor": "nobody"}, 404, "processor_not_found"},
		"field":             {10, map[string]string{"filename": "a.gcode", "procesor": "brick"}, 400, "bad_field"},
		"parameter":         {10, map[string]string{"filename": "a.gcode", "parameters[multiplier]": "9"}, 400, "invalid_parameters"},
		"json":              {10, map[string]string{"filename": "a.gcode", "parameters": "multiplier=1"}, 400, "bad_field"},
		"more than json":    {10, map[string]string{"filename": "a.gcode", "parameters": `{} {}`}, 400, "bad_field"},
		"object in json":    {10, map[string]string{"filename": "a.gcode", "parameters": `{"multiplier":{}}`}, 400, "bad_field"},
		"parameter in json": {10, map[string]string{"filename": "a.gcode", "parameters": `{"multiplier":9}`}, 400, "invalid_parameters"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{})
			f.wantRefused(f.begin(test.size, test.fields), test.status, test.reason)
		})
	}
	f := newFixture(t, interceptor.Funcs{})
	f.wantRefused(f.begin(10, namedA, "Upload-Metadata", "filename !"), 400, "bad_field")
	f.wantRefused(f.begin(10, namedA, "Tus-Resumable", "0.2.2"), 412, "unsupported_version")
	f.wantRefused(f.begin(10, namedA, "Upload-Length", "", "Upload-Defer-Length", "1"), 400, "invalid_upload_length")
	f.wantRefused(f.begin(10, namedA, "Upload-Length", "-1"), 400, "invalid_upload_length")
	f.wantRefused(f.begin(10, namedA, "X-HTTP-Method-Override", "HEAD"), 405, "method_not_allowed")
	f.wantRefused(f.begin(10, namedA, "Idempotency-Key", "1"), 400, "bad_idempotency_key")
	f.wantRefused(f.head("/api/v1/uploads/..%2f..%2fjobs"), 404, "")
	f.wantRefused(f.patch("/api/v1/uploads/00112233445566778899aabbccddeeff", 0, strings.NewReader(long)), 404, "upload_not_found")
	at := f.mustBegin(10, namedA)
	f.wantStatus(f.patch(at, -1, strings.NewReader(long)), 400, "invalid_offset")
	f.wantStatus(f.patch(at, 0, strings.NewReader(long), "Content-Type", "text/plain"), 415, "invalid_content_type")
	f.wantStatus(f.patch(at, 0, strings.NewReader(long)), 413, "upload_size_exceeded")
}

func TestTusContentIsRefused(t *testing.T) {
	bad := "\x00\x01\x02" + strings.Repeat("no print", 5000)
	for name, chunk := range map[string]int{"in one request": len(bad), "in several": 7000} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{})
			at := f.mustBegin(len(bad), namedA)
			var a *answer
			for offset := 0; offset < len(bad); offset += chunk {
				end := min(offset+chunk, len(bad))
				if a = f.patch(at, offset, strings.NewReader(bad[offset:end])); a.status != 204 {
					break
				}
			}
			if a.status != 422 && a.status != 415 {
				t.Errorf("%d %s", a.status, a.body)
			}
			f.wantMetric(`uploads_total{status="failed_validation"}`, "1")
			if names := f.stored(); len(names) > 0 {
				t.Errorf("kept %v", names)
			}
			if h := f.head(at); h.status != 404 {
				t.Errorf("afterwards: %d", h.status)
			}
		})
	}
}

func TestTusChecksum(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	content := print(500)
	sum := sha1.Sum([]byte(content[:9000]))
	right := "sha1 " + base64.StdEncoding.EncodeToString(sum[:])
	at := f.mustBegin(len(content), namedA)
	f.wantStatus(f.patch(at, 0, strings.NewReader(content[1:9001]), "Upload-Checksum", right), 460, "checksum_mismatch")
	if h := f.head(at); h.header.Get("Upload-Offset") != "0" {
		t.Errorf("damaged bytes were kept: %v", h.header)
	}
	f.wantStatus(f.patch(at, 0, strings.NewReader(content[:9000]), "Upload-Checksum", "crc64 AA=="), 400, "bad_field")
	f.wantStatus(f.patch(at, 0, strings.NewReader(content[:9000]), "Upload-Checksum", "sha1 AA=="), 400, "bad_field")
	f.wantStatus(f.patch(at, 0, strings.NewReader(content[:9000]), "Upload-Checksum", right), 204, "")
	f.wantStatus(f.patch(at, 9000, strings.NewReader(content[9000:])), 204, "")
	f.wantOneJob(content, f.head(at).header.Get("Upload-Job-Id"))
}

func (f *fixture) wantStatus(a *answer, status int, reason string) {
	f.t.Helper()
	if a.status != status || a.reason() != reason {
		f.t.Errorf("%d %s, want %d %s", a.status, a.body, status, reason)
	}
}

func TestTusExpires(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	f.ResumableLifetime = -time.Second
	a := f.begin(100, namedA)
	at := a.header.Get("Location")
	if expires, err := http.ParseTime(a.header.Get("Upload-Expires")); err != nil || time.Until(expires) > 0 {
		t.Errorf("Upload-Expires: %s: %v", a.header.Get("Upload-Expires"), err)
	}
	f.wantStatus(f.patch(at, 0, strings.NewReader("G28\n")), 410, "upload_expired")
	f.wantStatus(f.do(http.MethodDelete, at, nil, "Tus-Resumable", "1.0.0"), 410, "upload_expired")
}

func TestTusIntoAFullBucket(t *testing.T) {
	dir := smallDisk(t)
	f := newFixtureOn(t, "file://"+dir, interceptor.Funcs{})
	f.dir = dir
	content := print(5000)
	at := f.mustBegin(len(content), namedA)
	f.wantStatus(f.patch(at, 0, strings.NewReader(content)), 507, "storage_full")
	if h := f.head(at); h.header.Get("Upload-Offset") != "0" {
		t.Errorf("half a part was kept: %v", h.header)
	}
}

// An upload that has too many parts takes no more, but can be given up.
func TestTusTooManyParts(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	f.maxParts = 2
	at := f.mustBegin(100, namedA)
	for offset := range f.maxParts {
		f.wantStatus(f.patch(at, offset, strings.NewReader("G")), 204, "")
	}
	f.wantStatus(f.patch(at, f.maxParts, strings.NewReader("G")), 400, "upload_too_many_parts")
	f.wantStatus(f.do(http.MethodDelete, at, nil, "Tus-Resumable", "1.0.0"), 204, "")
}

// A client of the protocol knows its server by Tus-Resumable, also in what it is refused before tusd sees it.
func TestTusRefusalsBeforeTheProtocol(t *testing.T) {
	f, _, _ := newAuthFixture(t)
	for method, path := range map[string]string{"POST": "/api/v1/uploads/", "HEAD": "/api/v1/uploads/x", "PATCH": "/api/v1/uploads/x"} {
		a := f.do(method, path, nil, "Tus-Resumable", "1.0.0")
		if a.status != 401 || a.header.Get("Tus-Resumable") != "1.0.0" {
			t.Errorf("%s: %d with %v", method, a.status, a.header)
		}
	}
}
