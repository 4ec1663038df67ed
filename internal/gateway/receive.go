package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
)

// received is what is known of a file once its bytes went by.
type received struct {
	size    int64
	sha256  string
	content *contentCheck // nil when the processor takes anything
}

// receive streams the file into the bucket, or, when its job exists already, past a hash only, to see whether it is the
// same file.
func (u *upload) receive(body io.Reader) error {
	sink := io.Discard
	if u.existing == nil {
		var err error
		u.writer, err = u.gateway.store.Create(u.ctx, u.inputKey())
		if err != nil {
			return storageProblem(err)
		}
		sink = u.writer
	}
	u.beginChecks()
	return u.pass(body, sink)
}

// beginChecks has pass look at the content, unless nobody cares about it.
func (u *upload) beginChecks() {
	if u.processor == nil || checksContent(u.processor.Spec.Accepts) {
		u.content = newContentCheck()
	}
}

// pass streams bytes to the sink, and by the checks.
func (u *upload) pass(body io.Reader, sink io.Writer) error {
	hash := sha256.New()
	err := eachChunk(body, func(p []byte) error {
		u.size += int64(len(p))
		if limit := u.gateway.sizeLimit(u.processor); u.size > limit {
			return tooLarge(limit)
		}
		if err := u.claim.grow(int64(len(p))); err != nil {
			return err
		}
		hash.Write(p)
		if err := u.inspect(p); err != nil {
			return err
		}
		if _, err := sink.Write(p); err != nil {
			return storageProblem(err)
		}
		return nil
	})
	u.sha256 = hex.EncodeToString(hash.Sum(nil))
	return err
}

// inspect shows the content check the next bytes, and returns what is certain by now.
func (u *upload) inspect(p []byte) error {
	if u.content == nil {
		return nil
	}
	u.content.take(p)
	if u.processor == nil {
		return nil
	}
	return u.content.early(u.processor.Spec.Accepts)
}

// bodyProblem turns an error in reading the request into an answer, which reaches only a client that is still there.
func bodyProblem(err error) error {
	var known *problem
	if errors.As(err, &known) {
		return known
	}
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return tooLarge(tooLong.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(http.StatusRequestTimeout, reasonTooSlow, "the file came too slowly; nothing of it was kept").because(err)
	case errors.Is(err, multipart.ErrMessageTooLarge):
		return fail(http.StatusBadRequest, reasonBadForm, "a part of the form has too many or too long headers").because(err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fail(http.StatusBadRequest, reasonInterrupted,
			"the body ended early; nothing of the file was kept").because(err)
	}
	return fail(http.StatusBadRequest, reasonInterrupted, "the body could not be read: %v", err).because(err)
}
