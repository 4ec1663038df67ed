package storage

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A request of an aborted write is waited for, and the next one is not begun.
func TestS3RequestsAreNotGivenUp(t *testing.T) {
	ctx, abort := context.WithCancel(t.Context())
	call := func(ctx context.Context, _ *int, _ ...func(*s3.Options)) (*int, error) {
		abort()
		return nil, ctx.Err()
	}
	if _, err := toItsEnd(ctx, new(int), call); err != nil {
		t.Errorf("under way: %v", err)
	}
	if _, err := toItsEnd(ctx, new(int), call); err == nil {
		t.Error("a request was begun after the abort")
	}
}

// asked is an S3 that notes what it is asked for. It cannot be seen on the server of the other tests, which knows no keys
// for encryption and fails no part.
type asked struct {
	calls   []string
	whole   *s3.PutObjectInput
	begun   *s3.CreateMultipartUploadInput
	partErr error
}

func (a *asked) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	a.calls, a.whole = append(a.calls, "put"), in
	return &s3.PutObjectOutput{}, nil
}

func (a *asked) CreateMultipartUpload(_ context.Context, in *s3.CreateMultipartUploadInput, _ ...func(*s3.Options),
) (*s3.CreateMultipartUploadOutput, error) {
	a.calls, a.begun = append(a.calls, "begin"), in
	return &s3.CreateMultipartUploadOutput{UploadId: aws.String("id")}, nil
}

func (a *asked) UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	a.calls = append(a.calls, "part")
	return &s3.UploadPartOutput{}, a.partErr
}

func (a *asked) CompleteMultipartUpload(_ context.Context, in *s3.CompleteMultipartUploadInput, _ ...func(*s3.Options),
) (*s3.CompleteMultipartUploadOutput, error) {
	a.calls = append(a.calls, "complete")
	return &s3.CompleteMultipartUploadOutput{}, nil
}

func (a *asked) AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options),
) (*s3.AbortMultipartUploadOutput, error) {
	a.calls = append(a.calls, "abort")
	return &s3.AbortMultipartUploadOutput{}, nil
}

func TestS3IsAskedForWhatTheAddressSays(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	store, err := Open(t.Context(), "s3://b?region=r&prefix=p/&ssetype=aws:kms&kmskeyid=k", memoryPerWrite)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, partSize + 1} {
		server := &asked{}
		w := store.newS3Writer(t.Context(), store.s3(), "key", true)
		w.client = server
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		in := server.whole
		if begun := server.begun; begun != nil {
			in = &s3.PutObjectInput{
				Bucket: begun.Bucket, Key: begun.Key, ServerSideEncryption: begun.ServerSideEncryption,
				SSEKMSKeyId: begun.SSEKMSKeyId, ChecksumAlgorithm: begun.ChecksumAlgorithm,
			}
		}
		if aws.ToString(in.Bucket) != "b" || aws.ToString(in.Key) != "p/key" || in.ServerSideEncryption != "aws:kms" ||
			aws.ToString(in.SSEKMSKeyId) != "k" || in.ChecksumAlgorithm != types.ChecksumAlgorithmCrc32 {
			t.Errorf("%d bytes: asked for %+v", size, in)
		}
	}
}

// A write that failed is not completed, and what has arrived of it is dropped.
func TestS3DropsPartsOfAFailedWrite(t *testing.T) {
	server := &asked{partErr: errors.New("no room for a part")}
	w := &s3Writer{ctx: t.Context(), client: server}
	chunk := make([]byte, partSize)
	var err error
	for err == nil {
		_, err = w.Write(chunk)
	}
	if !errors.Is(err, server.partErr) {
		t.Errorf("the write ended with %v", err)
	}
	if n, err := w.Write(chunk); n != 0 || !errors.Is(err, server.partErr) {
		t.Errorf("and then took %d bytes: %v", n, err)
	}
	if err := w.Close(); !errors.Is(err, server.partErr) {
		t.Errorf("and was closed with %v", err)
	}
	if want := []string{"begin", "part", "abort"}; !slices.Equal(server.calls, want) {
		t.Errorf("asked for %v, want %v", server.calls, want)
	}
}

// An object of more parts than S3 takes is refused before the part that is too many is sent.
func TestS3TakesSoManyParts(t *testing.T) {
	server := &asked{}
	w := &s3Writer{ctx: t.Context(), client: server, id: aws.String("id"), sent: make([]types.CompletedPart, maxParts)}
	if _, err := w.Write(make([]byte, partSize+1)); err == nil || slices.Contains(server.calls, "part") {
		t.Errorf("%v after %v", err, server.calls)
	}
}
