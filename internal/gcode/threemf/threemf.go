// Package threemf reads and rewrites .gcode.3mf, the container of sliced prints that BambuStudio and OrcaSlicer export.
//
// It is a ZIP archive. The G-code of plate N of a project is Metadata/plate_N.gcode, and Metadata/plate_N.gcode.md5
// beside it holds its MD5 in upper-case hexadecimal. A project that was not sliced has no such entry.
//
// Rewrite needs the whole file, Scan checks one that passes by. Both refuse what a sliced project has no use for and an
// attacker has: encryption, names that lead out of a folder or occur twice, thousands of entries, entries that inflate
// beyond measure.
package threemf

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

const (
	maxEntries = 1000
	maxName    = 512 // bytes

	// DefaultMaxText is a limit on the contents of an archive that no real print comes near.
	DefaultMaxText = 4 << 30
	// maxRatio is how many times its size an entry may inflate to, beyond the first ratioFree bytes. Text of G-code
	// stays below 20, and only deliberate input comes near the 1032 that deflate can do.
	maxRatio  = 200
	ratioFree = 1 << 20
)

// The reasons of an Error: stable labels, safe to count by.
const (
	ReasonBad          = "zip_bad"       // not a sound ZIP archive, or one that uses what no slicer does
	ReasonPath         = "zip_path"      // a name that leads elsewhere, or occurs twice
	ReasonEncrypted    = "zip_encrypted" // an encrypted entry
	ReasonInflateLimit = "inflate_limit" // inflates to more than the limit, or too steeply
	ReasonNoGCode      = "3mf_no_gcode"  // a project or model that was not sliced
)

// The warnings of a Result.
const (
	WarnMD5Mismatch = "3mf_md5_mismatch" // a plate is not what its MD5 says
	WarnManyPlates  = "3mf_many_plates"  // more than one plate; all are processed
)

// Error says why an archive was refused, and which entry it is about.
type Error struct {
	reason string
	entry  string // "" when it is about the archive
	detail string
	err    error
}

// Reason returns the stable label.
func (e *Error) Reason() string { return e.reason }

func (e *Error) Error() string {
	text := ".gcode.3mf: " + e.detail
	if e.entry != "" {
		text = fmt.Sprintf(".gcode.3mf: entry %q: %s", e.entry, e.detail)
	}
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.err }

func noGCode() *Error {
	return &Error{reason: ReasonNoGCode,
		detail: "there is no Metadata/plate_N.gcode in it: slice the project and export the sliced file"}
}

// isPlate tells whether an entry is the G-code of a plate.
func isPlate(name string) bool {
	ok, err := path.Match("Metadata/plate_*.gcode", name)
	return ok && err == nil
}

// plateOfMD5 returns the plate whose MD5 an entry holds.
func plateOfMD5(name string) (plate string, ok bool) {
	plate, ok = strings.CutSuffix(name, ".md5")
	return plate, ok && isPlate(plate)
}

// checkEntry refuses an entry by what its header says. Seen are the names so far; the entry's is added.
func checkEntry(name string, flags, method uint16, seen map[string]bool) error {
	fail := func(reason, detail string) error { return &Error{reason: reason, entry: name, detail: detail} }
	if len(seen) == maxEntries {
		return fail(ReasonBad, fmt.Sprintf("more than %d entries", maxEntries))
	}
	if wrong := checkName(name); wrong != "" {
		return fail(ReasonPath, wrong)
	}
	if seen[name] {
		return fail(ReasonPath, "the name occurs twice")
	}
	seen[name] = true
	if flags&encryptedFlags != 0 {
		return errEncrypted(name)
	}
	if method != methodStored && method != methodDeflated {
		return fail(ReasonBad, fmt.Sprintf("compression method %d, where 3MF knows only 0 and 8", method))
	}
	return nil
}

func isFolder(name string) bool { return strings.HasSuffix(name, "/") }

func folderWithData(name string) *Error {
	return &Error{reason: ReasonBad, entry: name, detail: "it is named as a folder but has data"}
}

// encryptedFlags mark an entry as encrypted, strongly encrypted, or with an encrypted header.
const encryptedFlags = 1<<0 | 1<<6 | 1<<13

func errEncrypted(name string) error {
	return &Error{reason: ReasonEncrypted, entry: name, detail: "it is encrypted: export the project without a password"}
}

// checkName says what is wrong with the name of an entry, or "".
func checkName(name string) string {
	switch {
	case name == "":
		return "it has no name"
	case len(name) > maxName:
		return fmt.Sprintf("the name is longer than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7F }):
		return "the name has control characters or is not UTF-8"
	case strings.ContainsAny(name, `\:`):
		return "the name has a backslash or a colon"
	case strings.HasPrefix(name, "/"):
		return "the name is an absolute path"
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return "the name is not a plain path"
		}
	}
	return ""
}
