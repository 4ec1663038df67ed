package filename

import "testing"

func TestFromURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.com/a/benchy.gcode?x=1": "benchy.gcode",
		"https://example.com/":                   "input",
		"https://example.com":                    "input",
		"https://example.com/..%2f..%2fetc":      "etc",
		"https://example.com/.hidden":            "hidden",
		"https://example.com/a%0Ab":              "ab",
	} {
		if got := FromURL(address); got != want {
			t.Errorf("%s gives %q, want %q", address, got, want)
		}
	}
}
