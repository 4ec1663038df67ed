package gateway

import (
	"net/http"
	"strings"
)

// tusdProblems are the errors of tusd's own that its requests can come to here.
var tusdProblems = map[string]struct {
	status int
	reason string
}{
	"ERR_UNSUPPORTED_VERSION":         {http.StatusPreconditionFailed, reasonTusVersion},
	"ERR_INVALID_CONTENT_TYPE":        {http.StatusUnsupportedMediaType, reasonTusType},
	"ERR_INVALID_OFFSET":              {http.StatusBadRequest, reasonTusOffset},
	"ERR_INVALID_UPLOAD_LENGTH":       {http.StatusBadRequest, reasonTusLength},
	"ERR_INVALID_UPLOAD_LENGTH_DEFER": {http.StatusBadRequest, reasonTusLength},
	"ERR_AMBIGUOUS_UPLOAD_LENGTH":     {http.StatusBadRequest, reasonTusLength},
	"ERR_NOT_IMPLEMENTED":             {http.StatusBadRequest, reasonTusLength}, // a length that comes later
	"ERR_UPLOAD_NOT_FOUND":            {http.StatusNotFound, reasonUploadNotFound},
	"ERR_MISMATCHED_OFFSET":           {http.StatusConflict, reasonMismatchedOffset},
	"ERR_UPLOAD_SIZE_EXCEEDED":        {http.StatusRequestEntityTooLarge, reasonTusExceeded},
}

// tusdProblem makes a problem of what tusd says, as in "ERR_MISMATCHED_OFFSET: mismatched offset". To HEAD it says
// nothing but the status.
func (t *tusRequest) tusdProblem() *problem {
	text := strings.TrimSpace(t.text.String())
	code, detail, _ := strings.Cut(text, ": ")
	known, ok := tusdProblems[code]
	switch {
	case ok:
		return fail(known.status, known.reason, "%s", detail)
	case t.refused == http.StatusNotFound:
		return fail(t.refused, reasonUploadNotFound, "upload not found")
	case t.refused == http.StatusMethodNotAllowed:
		return fail(t.refused, reasonMethodNotAllowed, "an upload does not take what X-HTTP-Method-Override names")
	}
	return fail(http.StatusInternalServerError, reasonInternal, "the gateway failed: %s", text)
}
