package storage

import (
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
	*manager = *transfermanager.New(client, func(o *transfermanager.Options) {
		o.RequestChecksumCalculation = client.Options().RequestChecksumCalculation
		o.PartSizeBytes = partSize
		o.MultipartUploadThreshold = partSize
		o.Concurrency = 1
		o.FailTimeout = failTimeout
	})
}
