package gateway

import (
	"crypto/sha1" // the protocol wants it; it is to find damage, not attacks
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// checksum is what a client says about one chunk (extension checksum of the tus protocol).
type checksum struct {
	hash.Hash
	want string
}

// checksumMismatch is a status of the tus protocol's own.
const checksumMismatch = 460

var checksumHashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

func checksumAlgorithms() []string { return slices.Sorted(maps.Keys(checksumHashes)) }

// parseChecksum reads an Upload-Checksum header such as "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=".
func parseChecksum(header string) (*checksum, error) {
	if header == "" {
		return nil, nil
	}
	algorithm, encoded, _ := strings.Cut(header, " ")
	newHash, known := checksumHashes[algorithm]
	if !known {
		return nil, fail(http.StatusBadRequest, reasonBadField, "the checksum algorithm %q is not known; there are %s",
			algorithm, strings.Join(checksumAlgorithms(), ", "))
	}
	sum := newHash()
	want, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(want) != sum.Size() {
		return nil, fail(http.StatusBadRequest, reasonBadField, "the Upload-Checksum is not %s in Base64", algorithm)
	}
	return &checksum{sum, string(want)}, nil
}

func (c *checksum) matches() bool { return string(c.Sum(nil)) == c.want }
