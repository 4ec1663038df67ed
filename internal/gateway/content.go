package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/gcode/validate"
)

// knownFormats are those whose content is checked, whichever Processor accepts them.
var knownFormats = []string{string(validate.GCode), string(validate.BinaryGCode), string(validate.Project)}

// contentReasons are the reasons for which a file's content is refused. The validator's reasons for a name and a size
// are not among them: those are checked here, for any Processor.
func contentReasons() []string {
	return slices.DeleteFunc(validate.Reasons(), func(reason string) bool {
		return slices.Contains([]string{validate.ReasonEmpty, validate.ReasonTooLarge, validate.ReasonBadExtension}, reason)
	})
}

// contentCheck looks at a file as it passes. It must be closed.
type contentCheck struct {
	validator *validate.Validator
	err       error
}

func newContentCheck() *contentCheck {
	// With Force a file that was processed before is a warning, which verdict judges: whether it may be so is up to a
	// parameter, and that may come after the file.
	return &contentCheck{validator: validate.New(validate.Options{Force: true})}
}

// take looks at the next bytes. What it finds is kept for early and verdict, because the processor that decides whether
// it matters may not be known yet.
func (c *contentCheck) take(p []byte) {
	if c.err == nil {
		_, c.err = c.validator.Write(p)
	}
}

// early returns what is certain before the whole file has passed.
func (c *contentCheck) early(accepts v1alpha1.Accepts) error {
	if c.err == nil || !checksContent(accepts) {
		return nil
	}
	return contentProblem(c.err)
}

// verdict returns what is wrong with the whole file, and what else is known of it.
func (c *contentCheck) verdict(processor *v1alpha1.Processor, given map[string]string) (*validate.Result, error) {
	accepts := processor.Spec.Accepts
	if !checksContent(accepts) {
		return nil, nil
	}
	result, err := c.validator.Close()
	switch {
	case err != nil:
		return nil, contentProblem(err)
	case !slices.Contains(accepts.Formats, string(result.Format)):
		return nil, fail(http.StatusUnsupportedMediaType, reasonInvalidFormat,
			"the content is %s, whatever the name says; processor %q takes %s",
			result.Format, processor.Name, strings.Join(accepts.Formats, ", "))
	case slices.Contains(result.Warnings, validate.WarnAlreadyProcessed) && declares(processor, forceParameter) &&
		given[forceParameter] != "true":
		return nil, fail(http.StatusUnprocessableEntity, validate.ReasonAlreadyProcessed,
			"the file was processed before; set parameter %s to true to process it all the same", forceParameter)
	}
	return &result, nil
}

// close ends the validator whatever became of the file.
func (c *contentCheck) close() { _, _ = c.validator.Close() }

// forceParameter is one by which a Processor says that it does not take its own output, unless it is set.
const forceParameter = "force"

func declares(processor *v1alpha1.Processor, parameter string) bool {
	return slices.ContainsFunc(processor.Spec.Parameters, func(p v1alpha1.Parameter) bool { return p.Name == parameter })
}

func checksContent(accepts v1alpha1.Accepts) bool {
	return slices.ContainsFunc(accepts.Formats, func(f string) bool { return slices.Contains(knownFormats, f) })
}

func contentProblem(err error) error {
	var labelled interface{ Reason() string }
	if !errors.As(err, &labelled) {
		return err
	}
	return fail(http.StatusUnprocessableEntity, labelled.Reason(), "%v", err)
}
