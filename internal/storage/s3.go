package storage

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// failTimeout bounds how long it may take to have S3 drop the parts of an aborted upload. Without it the context of the
// upload would count, which is over by then, and the parts would stay and cost money.
const failTimeout = 20 * time.Second

// tuneS3 has a write to S3 go out part by part from the start. The transfer manager would first collect 16 MiB of each
// file, and s3blob has no option for that, so its manager is replaced by one that is made with the same options and
// this one.
func (s *Store) tuneS3(as func(any) bool) {
	var manager *transfermanager.Client
	var client *s3.Client
	if !as(&manager) || !s.bucket.As(&client) {
		return
	}
	*manager = *transfermanager.New(patient{client}, func(o *transfermanager.Options) {
		o.RequestChecksumCalculation = client.Options().RequestChecksumCalculation
		o.PartSizeBytes = partSize
		o.MultipartUploadThreshold = partSize
		o.Concurrency = 1
		o.FailTimeout = failTimeout
	})
}

// patient ends what it has begun. To abort a write is to cancel its context, and the transfer manager then has S3 drop
// the parts. A request that was given up could still be at work at S3: a part that arrives after the others were
// dropped stays, and of a beginning whose answer nobody waits for nobody knows what to drop.
type patient struct{ transfermanager.S3APIClient }

// CreateMultipartUpload implements transfermanager.S3APIClient.
func (c patient) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput,
	options ...func(*s3.Options),
) (*s3.CreateMultipartUploadOutput, error) {
	return toItsEnd(ctx, in, options, c.S3APIClient.CreateMultipartUpload)
}

// UploadPart implements transfermanager.S3APIClient.
func (c patient) UploadPart(ctx context.Context, in *s3.UploadPartInput, options ...func(*s3.Options),
) (*s3.UploadPartOutput, error) {
	return toItsEnd(ctx, in, options, c.S3APIClient.UploadPart)
}

// toItsEnd calls S3 unless the context is over; when that ends meanwhile, the call has failTimeout more.
func toItsEnd[In, Out any](ctx context.Context, in *In, options []func(*s3.Options),
	call func(context.Context, *In, ...func(*s3.Options)) (*Out, error),
) (*Out, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(failTimeout, cancel) })()
	return call(longer, in, options...)
}
