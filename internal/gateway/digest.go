package gateway

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"net/http"

	"github.com/dunglas/httpsfv"
)

// The fields of RFC 9530. In a request they say the same here: there is one representation of a file, as it is.
const (
	contentDigest = "Content-Digest"
	reprDigest    = "Repr-Digest"
)

// digestAlgorithms are those that are verified. The registry's others are broken or unknown here; RFC 9530 has a
// recipient ignore them.
var digestAlgorithms = map[string]func() hash.Hash{"sha-256": sha256.New, "sha-512": sha512.New}

// statedDigest is what a client says of the bytes it sends.
type statedDigest struct {
	field, algorithm string
	want             []byte
	hash             hash.Hash // nil while nothing went through it
}

// digestsIn reads the digests in the header of a request or of a part.
func digestsIn(header map[string][]string) ([]*statedDigest, error) {
	var found []*statedDigest
	for _, field := range []string{contentDigest, reprDigest} {
		values := header[field]
		if len(values) == 0 {
			continue
		}
		dictionary, err := httpsfv.UnmarshalDictionary(values)
		if err != nil {
			return nil, badDigest(field, "cannot be read (%v)", err)
		}
		for _, algorithm := range dictionary.Names() {
			newHash := digestAlgorithms[algorithm]
			if newHash == nil {
				continue
			}
			member, _ := dictionary.Get(algorithm)
			item, _ := member.(httpsfv.Item)
			want, ok := item.Value.([]byte)
			if size := newHash().Size(); !ok || len(want) != size {
				return nil, badDigest(field, "has no %d bytes for %s", size, algorithm)
			}
			found = append(found, &statedDigest{field: field, algorithm: algorithm, want: want})
		}
	}
	return found, nil
}

func badDigest(field, format string, args ...any) *problem {
	p := fail(http.StatusBadRequest, reasonBadDigest, format, args...)
	p.Detail = "the field " + field + " " + p.Detail + "; it must be such as sha-256=:BASE64:"
	return p
}

// hashed returns a reader that computes the digests of what is read from it. A SHA-256 is left out where everything gets
// one anyway, which checkDigests is then given.
func hashed(body io.Reader, digests []*statedDigest, hasSHA256 bool) io.Reader {
	for _, d := range digests {
		if d.algorithm == "sha-256" && hasSHA256 {
			continue
		}
		d.hash = digestAlgorithms[d.algorithm]()
		body = io.TeeReader(body, d.hash)
	}
	return body
}

// checkDigests compares what came with what the client said. sha256, in hexadecimal, stands for those without a hash.
func checkDigests(digests []*statedDigest, sha256 string) error {
	for _, d := range digests {
		got, _ := hex.DecodeString(sha256) // what is none is equal to none
		if d.hash != nil {
			got = d.hash.Sum(nil)
		}
		if !bytes.Equal(got, d.want) {
			return fail(http.StatusBadRequest, reasonDigestMismatch,
				"what arrived is not what %s says: its %s is %s; nothing of the file was kept, send it again",
				d.field, d.algorithm, hex.EncodeToString(got))
		}
	}
	return nil
}

// digestField is the value of a field for a SHA-256 in hexadecimal, or "" for what is none.
func digestField(sha256 string) string {
	sum, err := hex.DecodeString(sha256)
	if err != nil {
		return ""
	}
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
}

// announceDigest says what a file's content is. Where the answer may be a part of the file or nothing, only what the
// whole would be is said.
func announceDigest(w http.ResponseWriter, r *http.Request, sha256 string) {
	value := digestField(sha256)
	if value == "" {
		return // not known
	}
	w.Header().Set(reprDigest, value)
	for _, field := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if r.Header.Get(field) != "" {
			return
		}
	}
	if r.Method == http.MethodGet {
		w.Header().Set(contentDigest, value)
	}
}
