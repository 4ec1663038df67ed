package filename

import (
	"net/url"
	"path"
	"strings"
	"unicode"
)

// FromURL is the file's name that an address ends with, made to fit v1alpha1.FileName, or "input".
func FromURL(address string) string {
	const longest = 200
	u, err := url.Parse(address)
	if err != nil {
		return "input"
	}
	name := strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == '/' || c == '\\' || c == unicode.ReplacementChar {
			return -1
		}
		return c
	}, path.Base(u.Path))
	name = strings.TrimLeft(name, ".")
	if len(name) > longest {
		name = strings.ToValidUTF8(name[len(name)-longest:], "")
	}
	if name == "" {
		return "input"
	}
	return name
}
