package gateway

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"bricklayers.dev/bricklayers/internal/filename"
)

const (
	maxFields     = 100     // besides the file
	maxFieldBytes = 4 << 10 // 1,024 characters of UTF-8
	// A form is cut at its boundary in a buffer: a large one, if not too many have such.
	largeForm  = 256 << 10
	smallForm  = 4 << 10
	largeForms = 64
)

// read takes in the request: fields from the address, then the body, which is a form or the file itself.
func (u *upload) read(r *http.Request, body io.Reader) error {
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name == "name" || name == namespaceField {
			continue
		}
		for _, value := range query[name] {
			if err := u.setField(name, value); err != nil {
				return err
			}
		}
	}
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && strings.HasPrefix(mediaType, "multipart/") {
		if mediaType != "multipart/form-data" || params["boundary"] == "" {
			return fail(http.StatusBadRequest, reasonBadForm,
				"the Content-Type %q is not multipart/form-data with a boundary", r.Header.Get("Content-Type"))
		}
		return u.readForm(r, body, params["boundary"])
	}
	return u.readRaw(r, query.Get("name"), body)
}

// readRaw takes a body that is the file.
func (u *upload) readRaw(r *http.Request, name string, body io.Reader) error {
	if name == "" {
		if _, params, err := mime.ParseMediaType(r.Header.Get("Content-Disposition")); err == nil {
			name = params["filename"]
		}
	}
	if name == "" {
		return nil // check says what is missing
	}
	if err := u.setFileName(name); err != nil {
		return err
	}
	if err := u.admit(); err != nil { // no field can follow
		return err
	}
	if limit := u.gateway.sizeLimit(u.processor); r.ContentLength > limit {
		return tooLarge(limit)
	}
	return u.receiveVerified(r.Header, body)
}

// receiveVerified is receive for a file of which the header above it may say what its digest is.
func (u *upload) receiveVerified(header map[string][]string, body io.Reader) error {
	digests, err := digestsIn(header)
	if err != nil {
		return err
	}
	if err := u.receive(hashed(body, digests, true)); err != nil {
		return err
	}
	return checkDigests(digests, u.sha256)
}

var formsOpen atomic.Int64

// readForm takes multipart/form-data. A digest in the request's header is the whole form's.
func (u *upload) readForm(r *http.Request, body io.Reader, boundary string) error {
	digests, err := digestsIn(r.Header)
	if err != nil {
		return err
	}
	size := smallForm
	if forms := formsOpen.Add(1); forms <= largeForms {
		size = largeForm
	}
	defer formsOpen.Add(-1)
	body = bufio.NewReaderSize(hashed(body, digests, false), size)
	if err := u.readParts(multipart.NewReader(body, boundary)); err != nil || len(digests) == 0 {
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil { // what may stand behind the last part
		return bodyProblem(err)
	}
	return checkDigests(digests, "")
}

// readParts takes the parts of a form, in any order.
func (u *upload) readParts(form *multipart.Reader) error {
	for fields := 0; ; {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bodyProblem(err)
		}
		if part.FormName() == "file" {
			err = u.readFilePart(part)
		} else if fields++; fields > maxFields {
			err = fail(http.StatusBadRequest, reasonBadForm, "the form has more than %d fields", maxFields)
		} else {
			err = u.readFieldPart(part)
		}
		if err != nil {
			return err
		}
	}
}

func (u *upload) readFilePart(part *multipart.Part) error {
	if u.fileName != "" {
		return fail(http.StatusBadRequest, reasonBadForm, "the form has more than one file; send one request for each")
	}
	if part.FileName() == "" {
		return fail(http.StatusBadRequest, reasonBadName,
			"the field file has no file name; with curl write -F file=@part.gcode")
	}
	if err := u.setFileName(part.FileName()); err != nil {
		return err
	}
	if u.processorName != "" { // else it may still follow
		if err := u.admit(); err != nil {
			return err
		}
	}
	return u.receiveVerified(part.Header, part)
}

func (u *upload) readFieldPart(part *multipart.Part) error {
	value, err := io.ReadAll(io.LimitReader(part, maxFieldBytes+1))
	if err != nil {
		return bodyProblem(err)
	}
	if len(value) > maxFieldBytes {
		return fail(http.StatusBadRequest, reasonBadField,
			"the field %q is longer than %d bytes", part.FormName(), maxFieldBytes)
	}
	return u.setField(part.FormName(), string(value))
}

func (u *upload) setFileName(sent string) error {
	u.fileName = filename.Clean(sent)
	if u.fileName == "" {
		return fail(http.StatusBadRequest, reasonBadName,
			"the file name %q cannot be used; send one such as part.gcode", sent)
	}
	return u.checkFile()
}

func (u *upload) setField(name, value string) error {
	parameter, isParameter := strings.CutPrefix(name, "parameters[")
	switch {
	case isParameter && strings.HasSuffix(parameter, "]"):
		parameter = strings.TrimSuffix(parameter, "]")
		if _, twice := u.parameters[parameter]; twice {
			return repeated(name)
		}
		u.parameters[parameter] = value
	case name == "processor":
		if u.processorName != "" {
			return repeated(name)
		}
		if value == "" {
			return nil // an empty field of a web form: the default
		}
		u.processorName = value
		return u.admit()
	case name == "priority":
		if u.priority != nil {
			return repeated(name)
		}
		return u.setPriority(value)
	case name == "webhook":
		if u.webhook != "" {
			return repeated(name)
		}
		return u.setWebhook(value)
	case name == "url":
		if u.link != "" {
			return repeated(name)
		}
		return u.setLink(value)
	case name == "file":
		return fail(http.StatusBadRequest, reasonBadField, "file belongs into the body")
	default:
		return fail(http.StatusBadRequest, reasonBadField,
			"there is no field %q; there are file or url, processor, parameters[NAME], priority and webhook", name)
	}
	return nil
}

const maxPriority = 1_000_000 // as the CRD has it

func (u *upload) setPriority(value string) error {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n > maxPriority || n < -maxPriority {
		return fail(http.StatusBadRequest, reasonBadField,
			"priority is %q; it must be a whole number from %d to %d", value, -maxPriority, maxPriority)
	}
	priority := int32(n)
	u.priority = &priority
	return nil
}

func (u *upload) setWebhook(value string) error {
	if value == "" {
		return nil // an empty field of a web form
	}
	if err := u.gateway.Webhooks.Check(value); err != nil {
		return fail(http.StatusBadRequest, reasonWebhook, "webhook: %v", err)
	}
	u.webhook = value
	return nil
}

func repeated(name string) error {
	return fail(http.StatusBadRequest, reasonBadField, "the field %q is there twice", name)
}
