package gateway

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

func sha256Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func sha512Digest(content []byte) string {
	sum := sha512.Sum512(content)
	return "sha-512=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// formWithDigest is a form whose file part has a header of its own.
func formWithDigest(t *testing.T, content, field, value string) (body []byte, contentType string) {
	t.Helper()
	buffer := &bytes.Buffer{}
	w := multipart.NewWriter(buffer)
	header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="a.gcode"`}}
	if field != "" {
		header.Set(field, value)
	}
	target, err := w.CreatePart(header)
	if err == nil {
		_, err = io.WriteString(target, content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes(), w.FormDataContentType()
}

func TestUploadDigests(t *testing.T) {
	content := print(5000)
	good, bad := []byte(content), []byte(content+" ")
	plain, _ := formWithDigest(t, content, "", "")
	for name, test := range map[string]struct {
		field, value string
		reason       string // "": it is taken
	}{
		"sha-256":                      {"Content-Digest", sha256Digest(good), ""},
		"sha-512":                      {"Content-Digest", sha512Digest(good), ""},
		"repr":                         {"Repr-Digest", sha256Digest(good), ""},
		"both":                         {"Content-Digest", sha256Digest(good) + ", " + sha512Digest(good), ""},
		"another algorithm":            {"Content-Digest", "md5=:AAAA:, unixsum=30637", ""},
		"wrong sha-256":                {"Content-Digest", sha256Digest(bad), "digest_mismatch"},
		"wrong sha-512":                {"Content-Digest", sha512Digest(bad), "digest_mismatch"},
		"wrong repr":                   {"Repr-Digest", sha256Digest(bad), "digest_mismatch"},
		"one of two wrong":             {"Content-Digest", sha256Digest(good) + ", " + sha512Digest(bad), "digest_mismatch"},
		"no dictionary":                {"Content-Digest", "sha-256=:", "bad_digest"},
		"too short":                    {"Content-Digest", "sha-256=:AAAA:", "bad_digest"},
		"a token instead of bytes":     {"Repr-Digest", "sha-512=abc", "bad_digest"},
		"a list instead of bytes":      {"Repr-Digest", "sha-512=(1 2)", "bad_digest"},
		"old header's way of spelling": {"Content-Digest", "SHA-256=" + strings.Trim(sha256Digest(good)[8:], ":"), "bad_digest"},
	} {
		check := func(kind string, body []byte, path string, header ...string) {
			t.Run(name+" "+kind, func(t *testing.T) {
				f := newFixture(t, interceptor.Funcs{})
				a := f.do(http.MethodPost, path, bytes.NewReader(body), header...)
				if test.reason == "" {
					if a.status != http.StatusCreated {
						t.Errorf("%d %s", a.status, a.body)
					}
					return
				}
				if a.status != http.StatusBadRequest || a.reason() != test.reason {
					t.Errorf("%d %s, want %s", a.status, a.body, test.reason)
				}
				if jobs, files := f.jobs(), f.stored(); len(jobs)+len(files) > 0 {
					t.Errorf("kept jobs %v and files %v", jobs, files)
				}
				f.wantMetric(fmt.Sprintf(`upload_validation_failures_total{reason=%q}`, test.reason), "1")
			})
		}
		check("raw", good, "/api/v1/upload?name=a.gcode", test.field, test.value)
		body, contentType := formWithDigest(t, content, test.field, test.value)
		check("part", body, "/api/v1/upload", "Content-Type", contentType)
	}
	// In a form's own header the digest is that of the form.
	for value, status := range map[string]int{sha256Digest(plain): 201, sha512Digest(plain): 201, sha256Digest(good): 400} {
		f := newFixture(t, interceptor.Funcs{})
		boundary := strings.TrimPrefix(strings.SplitN(string(plain), "\r\n", 2)[0], "--")
		a := f.do(http.MethodPost, "/api/v1/upload", bytes.NewReader(plain),
			"Content-Type", "multipart/form-data; boundary="+boundary, "Content-Digest", value)
		if a.status != status {
			t.Errorf("a form with %s: %d %s", value, a.status, a.body)
		}
	}
}

func TestDownloadDigests(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{}, jobIn("done", v1alpha1.PhaseCompleted))
	f.commit("done", map[string]string{"a.gcode": "abc"})
	want := sha256Digest([]byte("abc"))
	for name, test := range map[string]struct {
		method        string
		header        []string
		repr, content string
	}{
		"whole":     {"GET", nil, want, want},
		"head":      {"HEAD", nil, want, ""},
		"a range":   {"GET", []string{"Range", "bytes=0-1"}, want, ""},
		"unchanged": {"GET", []string{"If-None-Match", `"` + digest("abc") + `"`}, want, ""},
	} {
		a := f.do(test.method, "/api/v1/download/done", nil, test.header...)
		if repr, content := a.header.Get("Repr-Digest"), a.header.Get("Content-Digest"); repr != test.repr || content != test.content {
			t.Errorf("%s: Repr-Digest %q, Content-Digest %q", name, repr, content)
		}
	}
}
