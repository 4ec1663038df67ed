package gateway

import (
	"bytes"
	"net/http"
	"slices"
)

// Reasons for which a file's content is refused.
const (
	reasonBinaryData = "binary_data"
	reasonNoMotion   = "no_motion"
)

var contentReasons = []string{reasonBinaryData, reasonNoMotion}

// contentCheck looks at a file as it passes, to refuse what is no G-code whatever its name says.
type contentCheck struct {
	head   []byte // the first bytes
	nul    bool
	motion bool
	tail   []byte // the end of the last chunk, for a command across two
}

const headBytes = 16

func newContentCheck() *contentCheck { return &contentCheck{} }

// Write implements io.Writer without ever failing.
func (c *contentCheck) Write(p []byte) (int, error) {
	if missing := headBytes - len(c.head); missing > 0 {
		c.head = append(c.head, p[:min(missing, len(p))]...)
	}
	c.nul = c.nul || bytes.IndexByte(p, 0) >= 0
	if !c.motion {
		joined := append(c.tail, p[:min(8, len(p))]...)
		c.motion = hasMotion(joined) || hasMotion(p)
		c.tail = append(c.tail[:0], p[max(0, len(p)-8):]...)
	}
	return len(p), nil
}

func hasMotion(p []byte) bool {
	for _, command := range []string{"\nG0 ", "\nG1 ", "\nG2 ", "\nG3 "} {
		if bytes.Contains(p, []byte(command)) {
			return true
		}
	}
	return false
}

func (c *contentCheck) format() string {
	switch {
	case bytes.HasPrefix(c.head, []byte("GCDE")):
		return "bgcode"
	case bytes.HasPrefix(c.head, []byte("PK\x03\x04")):
		return "gcode.3mf"
	}
	return "gcode"
}

// early returns what is certain before the whole file has passed.
func (c *contentCheck) early(formats []string) error {
	if !slices.Contains(formats, "gcode") {
		return nil
	}
	if format := c.format(); format == "gcode" && c.nul {
		return fail(http.StatusUnprocessableEntity, reasonBinaryData, "the file is not text and no G-code format that is known")
	}
	return nil
}

// verdict returns what is wrong with the whole file.
func (c *contentCheck) verdict(formats []string) error {
	if err := c.early(formats); err != nil {
		return err
	}
	if slices.Contains(formats, "gcode") && c.format() == "gcode" && !c.motion {
		return fail(http.StatusUnprocessableEntity, reasonNoMotion, "the file has no line that moves a printer: it is no G-code")
	}
	return nil
}
