package storage

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// signedFor is how long a signed address may be used. It has to last until a transfer begins, not until it ends.
const signedFor = 15 * time.Minute

// SignedURL returns an address at which an object can be read without the gateway, or "" when the bucket has none. Azure's
// takes the account's key, which there is not with a workload's identity.
func (s *Store) SignedURL(ctx context.Context, key string) (string, error) {
	address, err := s.bucket.SignedURL(ctx, key, &blob.SignedURLOptions{Expiry: signedFor})
	if gcerrors.Code(err) == gcerrors.Unimplemented || errors.Is(err, bloberror.MissingSharedKeyCredential) {
		return "", nil
	}
	if err != nil {
		return "", wrap("sign", key, err)
	}
	return address, nil
}

// SignedPut is a request that writes one object without the gateway.
type SignedPut struct {
	URL    string
	Header map[string]string // to be sent as it is: it is signed, too
}

// SignedPut returns a request that puts size bytes of the SHA-256 (hexadecimal) under a key, and nothing else there; or
// nil when the bucket has none. The bucket must hold what arrives against the digest, which only S3 does.
func (s *Store) SignedPut(ctx context.Context, key string, size int64, sha256 string) (*SignedPut, error) {
	if s.s3() == nil {
		return nil, nil
	}
	digest, err := hex.DecodeString(sha256)
	if err != nil {
		return nil, wrap("sign", key, err)
	}
	put := &SignedPut{Header: map[string]string{
		"Content-Type":          contentType,
		"Content-Disposition":   disposition(key),
		"Content-Length":        strconv.FormatInt(size, 10),
		"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(digest),
	}}
	put.URL, err = s.bucket.SignedURL(ctx, key, &blob.SignedURLOptions{
		Method: http.MethodPut, Expiry: signedFor,
		BeforeSign: func(as func(any) bool) error {
			var input *s3.PutObjectInput
			if as(&input) {
				input.ContentType = aws.String(put.Header["Content-Type"])
				input.ContentDisposition = aws.String(put.Header["Content-Disposition"])
				input.ContentLength = aws.Int64(size)
				input.ChecksumSHA256 = aws.String(put.Header["X-Amz-Checksum-Sha256"])
			}
			return nil
		},
	})
	if err != nil {
		return nil, wrap("sign", key, err)
	}
	return put, nil
}

// Verify tells whether an object has a size and, as far as the bucket knows it, a SHA-256 (hexadecimal).
func (s *Store) Verify(ctx context.Context, key string, size int64, sha256 string) (bool, error) {
	client := s.s3()
	if client == nil {
		stored, _, err := s.Stat(ctx, key)
		return stored == size, err
	}
	var head *s3.HeadObjectOutput
	err := oneStep(ctx, func(ctx context.Context) (err error) {
		head, err = client.HeadObject(ctx, &s3.HeadObjectInput{
			Bucket: aws.String(s.name), Key: aws.String(s.prefix + key), ChecksumMode: types.ChecksumModeEnabled,
		})
		return err
	})
	var missing *types.NotFound
	if errors.As(err, &missing) {
		return false, fmt.Errorf("stat %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return false, wrap("stat", key, err)
	}
	known := aws.ToString(head.ChecksumSHA256)
	if known == "" || head.ChecksumType == types.ChecksumTypeComposite {
		return aws.ToInt64(head.ContentLength) == size, nil // the gateway wrote it, in parts, and has hashed it
	}
	digest, err := hex.DecodeString(sha256)
	if err != nil {
		return false, err
	}
	return aws.ToInt64(head.ContentLength) == size && known == base64.StdEncoding.EncodeToString(digest), nil
}

// s3 is the bucket's client, or nil.
func (s *Store) s3() *s3.Client {
	var client *s3.Client
	if !s.bucket.As(&client) {
		return nil
	}
	return client
}
