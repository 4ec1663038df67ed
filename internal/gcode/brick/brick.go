// Package brick makes the layers of a sliced print interlock: it raises every other inner wall loop by half a layer,
// on all layers, so that the joints between neighbouring loops are staggered like those of a brick wall.
//
// The input is read once and written once, as a stream:
//
//	         ┌─ scan ──┐      ┌─ analyse ──────────┐      ┌─ assemble ───────────────┐
//	input ─→ │ lines,  │ ─→   │ loops, contours,   │ ─→   │ columns (three layers at │ ─→ output
//	         │ state,  │      │ footprints: layers │      │ a time), then edit and   │
//	         │ layers  │      │ in parallel        │      │ copy                     │
//	         └─────────┘      └────────────────────┘      └──────────────────────────┘
//	         scan.go cut.go   loops.go contours.go        columns.go emit.go output.go
//	                          footprint.go
//
// pipeline.go connects the three. The scanner knows the state of the machine, the analysis only looks at one layer, the
// assembler works in order. So the output does not depend on the number of workers or on how the input arrives.
package brick

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// Result says what became of the input.
type Result struct {
	// Reason is why the output equals the input; empty when something was raised or rescaled.
	Reason Reason `json:"reason,omitempty"`
	// Detail explains Reason in a sentence.
	Detail   string   `json:"detail,omitempty"`
	Warnings []Reason `json:"warnings,omitempty"`
	Stats    Stats    `json:"stats"`
	// DigestAt is where in the output Options.InputSHA256 stands, -1 when it does not. A caller that only knows the digest
	// afterwards can put it there.
	DigestAt int64 `json:"-"`
}

// peekSize is how much of the head of the input is searched for settings before anything is processed.
const peekSize = 256 << 10

// Transform reads G-code from r and writes it to w with its inner walls interlocked. An input it can do nothing for
// comes out byte for byte, with the reason in the result. An input that cannot be processed gives an *InputError, a
// result that is not what it should be a *SelfcheckError; what was written by then is of no use. Any other error is of
// r or w.
func Transform(r io.Reader, w io.Writer, opt Options) (*Result, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	if opt.Workers == 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	buf := make([]byte, bufferSize)
	n, err := io.ReadFull(r, buf[:peekSize])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read input: %w", err)
	}
	head := buf[:n]
	if err := checkHead(head); err != nil {
		return nil, err
	}
	cfg := dialect.ReadSettings(head, opt.Settings)
	p := newPipeline(&opt, &cfg)
	res := &Result{Stats: Stats{Slicer: cfg.Slicer, Multiplier: opt.Multiplier}}
	o := &output{w: w, digest: opt.InputSHA256, digestAt: -1}
	if err := p.run(head, r, o, &res.Stats); err != nil {
		return nil, err
	}
	res.DigestAt = o.digestAt
	return res, p.judge(res)
}

// analyse finds what can be known of a layer without its neighbours.
func (l *layer) analyse(c *dialect.Settings) {
	l.findLoops()
	if l.walls {
		l.groupLoops(c)
		l.coverCells()
	}
}
