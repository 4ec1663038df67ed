package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

const (
	// failTimeout bounds how long S3 may take to end what an aborted write has begun, and to drop its parts. Without it
	// the context of the write would count, which is over by then, and the parts would stay and cost money.
	failTimeout = 20 * time.Second
	// maxParts is how many parts S3 takes for an object.
	maxParts = 10_000
)

// s3Writer writes an object to S3, part by part as its bytes come: one part is on its way while the next one is filled.
//
// The SDK's transfer manager, which gocloud uses, reads the first part of each object by io.ReadAll and holds three parts
// at the most: of many writes at once most of the memory was its garbage. Here buffers are used again.
type s3Writer struct {
	ctx      context.Context
	client   s3API
	object   s3Object
	id       *string // of the upload in parts, once that is begun
	filling  *partBuffer
	filled   int // bytes of it
	sent     []types.CompletedPart
	underway chan error // what comes of the part that is on its way; nil when none is
	err      error      // what ended the write
}

// s3API is what s3Writer uses of the SDK's client.
type s3API interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options),
	) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options),
	) (*s3.CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options),
	) (*s3.AbortMultipartUploadOutput, error)
}

// s3Object is what an object is to be, apart from its bytes.
type s3Object struct {
	bucket, key, disposition *string
	ifNoneMatch              *string // "*" when it must not exist
	checksum                 types.ChecksumAlgorithm
	encryption               types.ServerSideEncryption
	kmsKey                   *string
}

// partBuffer is the memory of a part.
type partBuffer [partSize]byte

// partBuffers are free. How many there can be is bounded by the memory that each write reserves.
var partBuffers = sync.Pool{New: func() any { return new(partBuffer) }}

// newS3Writer begins a write under a key, without a request.
func (s *Store) newS3Writer(ctx context.Context, client *s3.Client, key string, once bool) *s3Writer {
	object := s3Object{
		bucket: aws.String(s.name), key: aws.String(s.prefix + key), disposition: aws.String(disposition(key)),
		encryption: types.ServerSideEncryption(s.query.Get("ssetype")),
	}
	if kmsKey := s.query.Get("kmskeyid"); kmsKey != "" {
		object.kmsKey = aws.String(kmsKey)
	}
	if once {
		object.ifNoneMatch = aws.String("*")
	}
	if client.Options().RequestChecksumCalculation == aws.RequestChecksumCalculationWhenSupported {
		object.checksum = types.ChecksumAlgorithmCrc32
	}
	return &s3Writer{ctx: ctx, client: client, object: object}
}

// Write implements io.Writer.
func (w *s3Writer) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	for n < len(p) {
		if w.filled == partSize {
			if w.err = w.send(); w.err != nil {
				return n, w.err
			}
		}
		if w.filling == nil {
			w.filling = partBuffers.Get().(*partBuffer)
		}
		taken := copy(w.filling[w.filled:], p[n:])
		w.filled += taken
		n += taken
	}
	return n, nil
}

// Close makes the object visible, or leaves nothing of it when that fails, when a Write has failed, or when the context is
// over.
func (w *s3Writer) Close() error {
	if w.err == nil {
		w.err = w.finish()
	}
	if w.err != nil && w.id != nil {
		w.err = errors.Join(w.err, w.dropParts())
	}
	return w.err
}

func (w *s3Writer) finish() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.id == nil {
		return w.putWhole()
	}
	if err := w.send(); err != nil {
		return err
	}
	if err := w.arrived(); err != nil {
		return err
	}
	_, err := w.client.CompleteMultipartUpload(w.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: w.object.bucket, Key: w.object.key, UploadId: w.id, IfNoneMatch: w.object.ifNoneMatch,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: w.sent},
	})
	return err
}

// putWhole writes what is no more than a part.
func (w *s3Writer) putWhole() error {
	if w.filling == nil {
		_, err := w.put(nil)
		return err
	}
	done, err := w.put(w.filling[:w.filled])
	if err == nil {
		w.filling.free(done)
	}
	return err
}

// put writes the object in one request.
func (w *s3Writer) put(content []byte) (middleware.Metadata, error) {
	put, err := w.client.PutObject(w.ctx, &s3.PutObjectInput{
		Bucket: w.object.bucket, Key: w.object.key, Body: bytes.NewReader(content), IfNoneMatch: w.object.ifNoneMatch,
		ContentType: aws.String(contentType), ContentDisposition: w.object.disposition,
		ChecksumAlgorithm: w.object.checksum, ServerSideEncryption: w.object.encryption, SSEKMSKeyId: w.object.kmsKey,
	})
	if err != nil {
		return middleware.Metadata{}, err
	}
	return put.ResultMetadata, nil
}

// send has what is filled go out, once the part before it has arrived.
func (w *s3Writer) send() error {
	if w.id == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if err := w.arrived(); err != nil {
		return err
	}
	if len(w.sent) == maxParts {
		return fmt.Errorf("more than %d parts of %d MiB", maxParts, partSize>>20)
	}
	w.sent = append(w.sent, types.CompletedPart{PartNumber: aws.Int32(int32(len(w.sent) + 1))}) //nolint:gosec // ≤ maxParts
	part, size, buffer, underway := &w.sent[len(w.sent)-1], w.filled, w.filling, make(chan error, 1)
	w.filling, w.filled, w.underway = nil, 0, underway
	go func() { underway <- w.sendPart(part, buffer, size) }()
	return nil
}

// arrived waits for the part that is on its way.
func (w *s3Writer) arrived() error {
	if w.underway == nil {
		return nil
	}
	err := <-w.underway
	w.underway = nil
	return err
}

func (w *s3Writer) begin() error {
	upload, err := toItsEnd(w.ctx, &s3.CreateMultipartUploadInput{
		Bucket: w.object.bucket, Key: w.object.key, ContentType: aws.String(contentType),
		ContentDisposition: w.object.disposition, ChecksumAlgorithm: w.object.checksum,
		ServerSideEncryption: w.object.encryption, SSEKMSKeyId: w.object.kmsKey,
	}, w.client.CreateMultipartUpload)
	if err == nil {
		w.id = upload.UploadId
	}
	return err
}

// sendPart sends a part and notes what S3 calls it.
func (w *s3Writer) sendPart(part *types.CompletedPart, buffer *partBuffer, size int) error {
	there, err := toItsEnd(w.ctx, &s3.UploadPartInput{
		Bucket: w.object.bucket, Key: w.object.key, UploadId: w.id, PartNumber: part.PartNumber,
		Body: bytes.NewReader(buffer[:size]), ChecksumAlgorithm: w.object.checksum,
	}, w.client.UploadPart)
	if err != nil {
		return err
	}
	part.ETag, part.ChecksumCRC32 = there.ETag, there.ChecksumCRC32
	buffer.free(there.ResultMetadata)
	return nil
}

// dropParts has S3 forget what has arrived. A part that arrives after that would stay, so the last one is waited for.
func (w *s3Writer) dropParts() error {
	_ = w.arrived() // the write has failed already
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), failTimeout)
	defer cancel()
	_, err := w.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: w.object.bucket, Key: w.object.key, UploadId: w.id,
	})
	if err != nil {
		return fmt.Errorf("drop the parts: %w", err)
	}
	return nil
}

// free has a buffer used again after a request that succeeded at once. A request that failed may still be read from by the
// connection that it was given up on: then the buffer is the collector's.
func (b *partBuffer) free(done middleware.Metadata) {
	if attempts, known := retry.GetAttemptResults(done); known && len(attempts.Results) == 1 {
		partBuffers.Put(b)
	}
}

// toItsEnd calls S3 unless the context is over; when that ends meanwhile, the call has failTimeout more. A request that
// was given up could still be at work at S3: a part that arrives after the others were dropped stays, and of a beginning
// whose answer nobody waits for nobody knows what to drop.
func toItsEnd[In, Out any](ctx context.Context, in *In, call func(context.Context, *In, ...func(*s3.Options)) (*Out, error),
) (*Out, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(failTimeout, cancel) })()
	return call(longer, in)
}

// isRefusedByS3 tells whether an object that must not exist does, or is being written by another.
func isRefusedByS3(err error) bool {
	var coded interface{ ErrorCode() string }
	return errors.As(err, &coded) &&
		(coded.ErrorCode() == "PreconditionFailed" || coded.ErrorCode() == "ConditionalRequestConflict")
}
