package filename

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for sent, want := range map[string]string{
		"part.gcode":                         "part.gcode",
		"größe 1.gcode":                      "größe 1.gcode",
		"/etc/passwd":                        "passwd",
		`C:\prints\part.gcode`:               "part.gcode",
		"../../part.gcode":                   "part.gcode",
		"...part.gcode":                      "part.gcode",
		"a\r\nSet-Cookie: x=1":               "aSet-Cookie: x=1",
		"a\x00b":                             "ab",
		"a\u2028b":                           "ab",
		"a\u202eedocg.exe":                   "aedocg.exe",
		"\xff\xfea.gcode":                    "a.gcode",
		"..":                                 "",
		"":                                   "",
		"folder/":                            "",
		" . gcode":                           "gcode",
		"a.attrs":                            "a",
		"a__0x2f__b":                         "a_0x2f__b",
		strings.Repeat("x", 300) + ".gcode":  strings.Repeat("x", 194) + ".gcode",
		strings.Repeat("ä", 300) + ".gcode":  strings.Repeat("ä", 97) + ".gcode",
		"x." + strings.Repeat("long", 100):   ("x." + strings.Repeat("long", 100))[:200],
		"a_" + strings.Repeat("_0x", 5):      "a_0x_0x_0x_0x_0x",
		strings.Repeat("x", 196) + ".attrs1": strings.Repeat("x", 193) + ".attrs1",
	} {
		if got := Clean(sent); got != want {
			t.Errorf("Clean(%q) = %q, want %q", sent, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"a.gcode", "../x", "a__0x", ".attrs", strings.Repeat("ä", 150), "___0x0x.attrs.attrs"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		name := Clean(sent)
		if name == "" {
			return
		}
		if err := Check(name); err != nil {
			t.Errorf("Clean(%q): the name %v", sent, err)
		}
	})
}

func TestCheck(t *testing.T) {
	for name, want := range map[string]string{
		"a.gcode": "", "größe 1.gcode": "", "a..": "",
		"": "empty", ".a": "dot", "a/b": "slash", `a\b`: "backslash", "a\nb": "control", "a\u2066b": "control", "\xff": "UTF-8",
		"a.attrs": "storage", "a__0x": "storage", strings.Repeat("a", 201): "201 bytes",
	} {
		err := Check(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Check(%q) = %v, want %q", name, err, want)
		}
	}
}
