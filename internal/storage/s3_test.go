package storage

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// interrupted is an S3 where a write is aborted while a request is under way.
type interrupted struct {
	transfermanager.S3APIClient
	abort context.CancelFunc
}

func (i interrupted) CreateMultipartUpload(ctx context.Context, _ *s3.CreateMultipartUploadInput, _ ...func(*s3.Options),
) (*s3.CreateMultipartUploadOutput, error) {
	i.abort()
	return nil, ctx.Err()
}

func (i interrupted) UploadPart(ctx context.Context, _ *s3.UploadPartInput, _ ...func(*s3.Options),
) (*s3.UploadPartOutput, error) {
	i.abort()
	return nil, ctx.Err()
}

// A request of an aborted write is waited for, and the next one is not begun.
func TestS3RequestsAreNotGivenUp(t *testing.T) {
	for name, call := range map[string]func(context.Context, transfermanager.S3APIClient) error{
		"beginning": func(ctx context.Context, c transfermanager.S3APIClient) error {
			_, err := c.CreateMultipartUpload(ctx, nil)
			return err
		},
		"part": func(ctx context.Context, c transfermanager.S3APIClient) error {
			_, err := c.UploadPart(ctx, nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, abort := context.WithCancel(t.Context())
			client := patient{interrupted{abort: abort}}
			if err := call(ctx, client); err != nil {
				t.Errorf("under way: %v", err)
			}
			if err := call(ctx, client); err == nil {
				t.Error("a request was begun after the abort")
			}
		})
	}
}
