// Package filename decides which names files may have: what a user calls a file is used in a path, in a bucket's key, in
// a header and on pages.
package filename

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBytes of a name. File systems take 255; a bucket's temporary files add a suffix.
const MaxBytes = 200

// Check returns what keeps name from being used, in words that follow "the name".
func Check(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > MaxBytes:
		return fmt.Errorf("is %d bytes long; %d are allowed", len(name), MaxBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not UTF-8", name)
	case strings.HasPrefix(name, "."):
		return fmt.Errorf("%q begins with a dot", name)
	case strings.ContainsFunc(name, forbidden):
		return fmt.Errorf("%q has a slash, a backslash, or a control character (of text direction, too) in it", name)
	case strings.HasSuffix(name, reservedSuffix) || strings.Contains(name, reservedPart):
		return fmt.Errorf(
			"%q ends with %q or has %q in it, which the storage keeps for itself", name, reservedSuffix, reservedPart)
	}
	return nil
}

// What gocloud's fileblob keeps for itself: names of its attribute files and its escape sequences.
const (
	reservedSuffix = ".attrs"
	reservedPart   = "__0x"
)

// forbidden tells what would change where a name leads, or how it reads: a control of text direction shows exe.gcode as
// something else.
func forbidden(c rune) bool {
	return c == '/' || c == '\\' || unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || unicode.Is(unicode.Bidi_Control, c)
}

// Clean makes a name that passes Check from what a client sent, which may be a path of any system, too long or hostile.
// The extension is kept when the name is shortened. It returns "" when nothing usable is left.
func Clean(sent string) string {
	sent = strings.ToValidUTF8(sent, "")
	if i := strings.LastIndexAny(sent, `/\`); i >= 0 {
		sent = sent[i+1:]
	}
	name := strings.Map(func(c rune) rune {
		if forbidden(c) {
			return -1
		}
		return c
	}, sent)
	name = strings.TrimRight(strings.TrimLeft(name, ". "), " ")
	name = strings.TrimSuffix(strings.ReplaceAll(name, reservedPart, "_0x"), reservedSuffix)
	if len(name) > MaxBytes {
		extension := path.Ext(name)
		if len(extension) > MaxBytes/2 {
			extension = ""
		}
		name = strings.ToValidUTF8(name[:MaxBytes-len(extension)], "") + extension
	}
	if Check(name) != nil {
		return ""
	}
	return name
}
