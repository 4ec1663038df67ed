// Package validate checks a print while it is uploaded: is this G-code for a 3D printer, sound, and something that can
// be made better? It reads each byte once as it passes by, in pieces of any size, and uses some hundred kilobytes
// whatever is sent.
//
// The answer is one of a closed list of labels. It is a reject (nothing should be kept), a noop (nothing is wrong, but
// processing would change nothing), a warn, or ok.
//
// Text is checked line by line up to its first 4 MB. Behind that, 64 KB of every 2 MB and the last 64 KB are, because
// checking every line takes several times as long as receiving it. A processor that rewrites all lines has to read all
// of them anyway. Containers are taken apart whole, as only that tells a sound one from one that explodes.
package validate

import (
	"fmt"
	"slices"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
)

// Format is a kind of file.
type Format string

// The formats that are known here. What a file is, its first bytes say, not its name.
const (
	GCode       Format = "gcode"
	BinaryGCode Format = "bgcode"
	Project     Format = "gcode.3mf"
)

// Class says what to do with a file.
type Class string

// The classes of a Result.
const (
	ClassOK     Class = "ok"
	ClassWarn   Class = "warn"   // process it and show the warnings
	ClassNoop   Class = "noop"   // processing would give back what came in
	ClassReject Class = "reject" // refuse it
)

// Options change what is accepted. The zero value is good for a file of unknown name and any size.
type Options struct {
	Name    string // as the client calls it; only its extension matters, and "" does not
	MaxSize int64  // bytes of the file; 0 for no limit
	MaxText int64  // bytes of text in a container; 0 for a limit that no real print comes near
	MaxLine int    // bytes of a line; 0 for 64 KB, at most 1 MB
	Strict  bool   // reject what is probably truncated, instead of warning
	Force   bool   // warn of a file that was processed before, instead of rejecting it
}

// Result is what is known of a file.
type Result struct {
	Format   Format   `json:"format,omitempty"`
	Class    Class    `json:"class"`
	Reason   string   `json:"reason,omitempty"` // why it is a reject or a noop
	Detail   string   `json:"detail,omitempty"` // the reason in words, what to do included
	Warnings []string `json:"warnings,omitempty"`
	Slicer   string   `json:"slicer,omitempty"` // name and version, as the file states them
	Plates   int      `json:"plates,omitempty"` // of a gcode.3mf
}

// Reject is the error for a file that has to be refused.
type Reject struct{ reason, detail string }

// Reason returns the stable label, one of Reasons.
func (r *Reject) Reason() string { return r.reason }

func (r *Reject) Error() string { return r.detail }

func reject(reason, format string, args ...any) *Reject {
	return &Reject{reason, fmt.Sprintf(format, args...)}
}

const (
	defaultMaxLine = 64 << 10
	hardMaxLine    = 1 << 20
)

// Validator is an io.Writer for a file that passes by. It is for one goroutine, and Close has to be called whatever
// happens, or a goroutine stays behind.
type Validator struct {
	opts   Options
	size   int64
	head   []byte // until the format is known
	result Result
	sink   sink
	err    error
}

// sink checks a file of one format.
type sink interface {
	Write(p []byte) (int, error)
	finish(r *Result) error
}

// New returns a Validator for one file.
func New(opts Options) *Validator {
	if opts.MaxLine <= 0 {
		opts.MaxLine = defaultMaxLine
	}
	opts.MaxLine = min(opts.MaxLine, hardMaxLine)
	if opts.MaxText <= 0 {
		opts.MaxText = bgcode.DefaultMaxText
	}
	v := &Validator{opts: opts}
	v.err = checkExtension(opts.Name)
	return v
}

// Write takes the next bytes. Its error is a *Reject as soon as it is certain that the file has to be refused; a
// container is checked beside, so there the error may come with a later Write.
func (v *Validator) Write(p []byte) (int, error) {
	if v.err == nil {
		v.err = v.write(p)
	}
	if v.err != nil {
		return 0, v.err
	}
	return len(p), nil
}

func (v *Validator) write(p []byte) error {
	if left := v.opts.MaxSize - v.size; v.opts.MaxSize > 0 && int64(len(p)) > left {
		if err := v.write(p[:left]); err != nil {
			return err
		}
		return reject(ReasonTooLarge, "the file is larger than the allowed %d bytes", v.opts.MaxSize)
	}
	v.size += int64(len(p))
	if v.sink != nil {
		_, err := v.sink.Write(p)
		return err
	}
	if len(v.head)+len(p) < MagicSize {
		v.head = append(v.head, p...)
		return nil
	}
	if len(v.head) > 0 {
		p = append(v.head, p...)
	}
	return v.begin(p)
}

// begin chooses by what the file begins with.
func (v *Validator) begin(head []byte) error {
	format, err := Sniff(head)
	if err != nil {
		return err
	}
	v.result.Format = format
	if !extensionFits(v.opts.Name, format) {
		v.result.Warnings = append(v.result.Warnings, WarnExtMismatch)
	}
	switch format {
	case BinaryGCode:
		v.sink = newContainer(v.opts, checkBinary)
	case Project:
		v.sink = newContainer(v.opts, checkProject)
	default:
		v.sink = newText(v.opts)
	}
	_, err = v.sink.Write(head)
	return err
}

// Close says what the file was, once all of it was written. The error is the *Reject that the Result has in words, if
// it is one, and the same however often Close is called.
func (v *Validator) Close() (Result, error) {
	if v.err == nil && v.sink == nil {
		if v.size == 0 {
			v.err = reject(ReasonEmpty, "the file is empty: slice the model again")
		} else {
			v.err = v.begin(v.head)
		}
	}
	if v.sink != nil {
		err := v.sink.finish(&v.result)
		v.sink = nil
		if v.err == nil {
			v.err = err
		}
	}
	return v.conclude(), v.err
}

func (v *Validator) conclude() Result {
	r := v.result
	slices.Sort(r.Warnings)
	r.Warnings = slices.Compact(r.Warnings)
	switch {
	case v.err != nil:
		r.Class, r.Reason, r.Detail = ClassReject, reasonOf(v.err), v.err.Error()
	case r.Reason != "":
		r.Class = ClassNoop
	case len(r.Warnings) > 0:
		r.Class = ClassWarn
	default:
		r.Class = ClassOK
	}
	return r
}
