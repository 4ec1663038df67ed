package validate

import (
	"bytes"
	"strings"
)

// MagicSize is how many of the first bytes tell a format; tar's signature ends there.
const MagicSize = 262

// strangers are files that people upload by mistake.
var strangers = []struct {
	magic  string
	at     int
	reason string
	advice string
}{
	{"%PDF", 0, ReasonPDF, "this is a PDF document"},
	{"\x7FELF", 0, ReasonELF, "this is a program"},
	{"MZ\x90\x00", 0, ReasonELF, "this is a program"},
	{"\x89PNG", 0, ReasonPicture, "this is a picture"},
	{"\xFF\xD8\xFF", 0, ReasonPicture, "this is a picture"},
	{"GIF8", 0, ReasonPicture, "this is a picture"},
	{"ustar", 257, ReasonTar, "this is a tar archive: extract it and upload the G-code in it"},
	{"\x1F\x8B", 0, ReasonCompressed, "this is compressed with gzip: decompress it first"},
	{"BZh", 0, ReasonCompressed, "this is compressed with bzip2: decompress it first"},
	{"\xFD7zXZ\x00", 0, ReasonCompressed, "this is compressed with xz: decompress it first"},
	{"\x28\xB5\x2F\xFD", 0, ReasonCompressed, "this is compressed with zstd: decompress it first"},
	{"7z\xBC\xAF\x27\x1C", 0, ReasonCompressed, "this is a 7z archive: extract it and upload the G-code in it"},
	{"Rar!\x1A\x07", 0, ReasonCompressed, "this is a rar archive: extract it and upload the G-code in it"},
	{"\xFF\xFE", 0, ReasonUTF16, "this is text in UTF-16: save it as plain text"},
	{"\xFE\xFF", 0, ReasonUTF16, "this is text in UTF-16: save it as plain text"},
	{"ISO-10303-21;", 0, ReasonModel, "this is a STEP model: slice it first"},
}

// Sniff tells the format by the first MagicSize bytes; what is nothing else may be G-code. The error is a *Reject.
func Sniff(head []byte) (Format, error) {
	head = head[:min(len(head), MagicSize)]
	switch {
	case bytes.HasPrefix(head, []byte("GCDE")):
		return BinaryGCode, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return Project, nil
	}
	for _, s := range strangers {
		if len(head) > s.at && bytes.HasPrefix(head[s.at:], []byte(s.magic)) {
			return "", reject(s.reason, "%s", s.advice)
		}
	}
	if bytes.HasPrefix(head, []byte("solid ")) && bytes.Contains(head, []byte("facet")) {
		return "", reject(ReasonModel, "this is an STL model: slice it first")
	}
	return GCode, nil
}

// extensions maps what names end in to what such files should be. The first that fits counts.
var extensions = []struct {
	suffix string
	format Format
}{
	{".gcode.3mf", Project}, {".3mf", Project}, {".bgcode", BinaryGCode}, {".bgc", BinaryGCode},
	{".gcode", GCode}, {".gco", GCode}, {".g", GCode}, {".gc", GCode}, {".nc", GCode},
}

// formatOf returns what a name promises; ok is false when it promises something else.
func formatOf(name string) (format Format, ok bool) {
	name = strings.ToLower(name[strings.LastIndexAny(name, `/\`)+1:])
	if !strings.Contains(name, ".") {
		return "", true
	}
	for _, e := range extensions {
		if strings.HasSuffix(name, e.suffix) {
			return e.format, true
		}
	}
	return "", false
}

func checkExtension(name string) error {
	if _, ok := formatOf(name); !ok {
		return reject(ReasonBadExtension,
			"the name does not end in .gcode, .gco, .g, .gc, .nc, .bgcode or .gcode.3mf: upload what the slicer exported")
	}
	return nil
}

// extensionFits tells whether a name promises what the file is, or promises nothing.
func extensionFits(name string, format Format) bool {
	promised, _ := formatOf(name)
	return promised == "" || promised == format
}
