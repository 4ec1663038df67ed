package storage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Now returns the time by the bucket's clock, which is the one that objects' times are of: a process whose own clock is
// ahead would take what is new for old.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	key := probePrefix + rand.Text()
	err := s.createSmall(ctx, key, []byte("what time is it\n"))
	if errors.Is(err, ErrFull) { // when a sweep is needed most; and what is full is a folder, mostly with this clock
		return time.Now(), nil
	}
	if err != nil {
		return time.Time{}, err
	}
	_, now, err := s.Stat(ctx, key)
	return now, errors.Join(err, s.Delete(ctx, key))
}

// SweepProgress is how far a sweep is, for the process that goes on with it.
type SweepProgress struct {
	After string `json:"after"` // the last key that was visited
	Kept  int64  `json:"kept"`  // bytes of what was visited and stays
}

// SweepProgress returns how far a sweep was that did not come to its end, or ErrNotFound.
func (s *Store) SweepProgress(ctx context.Context) (*SweepProgress, error) {
	progress := &SweepProgress{}
	if err := s.readJSON(ctx, sweepKey, progress); err != nil {
		return nil, err
	}
	return progress, nil
}

// SaveSweepProgress notes how far a sweep is; nil, that it came to its end.
func (s *Store) SaveSweepProgress(ctx context.Context, progress *SweepProgress) error {
	if progress == nil {
		if err := s.Delete(ctx, sweepKey); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	}
	content, err := json.Marshal(progress)
	if err != nil {
		return err
	}
	return s.writeSmall(ctx, sweepKey, content, false)
}

// Unfinished is a write in parts that was begun and neither completed nor aborted. Its parts are in no listing, but take
// room.
type Unfinished struct {
	Key     string
	Begun   time.Time
	session string
}

// WalkUnfinished calls visit for every unfinished write under the product's prefixes. Only S3 has such; other buckets drop
// them by themselves.
func (s *Store) WalkUnfinished(ctx context.Context, visit func(Unfinished) error) error {
	client := s.s3()
	if client == nil {
		return nil
	}
	for _, prefix := range prefixes {
		pages := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{
			Bucket: aws.String(s.name), Prefix: aws.String(s.prefix + prefix),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return wrap("list what is unfinished under", prefix, err)
			}
			for _, upload := range page.Uploads {
				found := Unfinished{
					Key:   strings.TrimPrefix(aws.ToString(upload.Key), s.prefix),
					Begun: aws.ToTime(upload.Initiated), session: aws.ToString(upload.UploadId),
				}
				if err := visit(found); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// AbortUnfinished drops an unfinished write.
func (s *Store) AbortUnfinished(ctx context.Context, u Unfinished) error {
	_, err := s.s3().AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(s.name), Key: aws.String(s.prefix + u.Key), UploadId: aws.String(u.session),
	})
	if err != nil {
		return wrap("abort", u.Key, err)
	}
	return nil
}
