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
//	         dialect.go       footprint.go
//
// The scanner knows the state of the machine, the analysis only looks at one layer, the assembler works in order. So
// the output does not depend on the number of workers or on how the input arrives.
package brick

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
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
	head := make([]byte, peekSize)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read input: %w", err)
	}
	head = head[:n]
	if err := checkHead(head); err != nil {
		return nil, err
	}
	cfg := readConfig(head, opt.Settings)
	p := pipeline{opt: &opt, cfg: &cfg, quit: make(chan struct{})}
	res := &Result{Stats: Stats{Slicer: cfg.slicer, Multiplier: opt.Multiplier}}
	o := &output{w: w, digest: opt.InputSHA256, digestAt: -1}
	if err := p.run(io.MultiReader(bytes.NewReader(head), r), o, &res.Stats); err != nil {
		return nil, err
	}
	res.DigestAt = o.digestAt
	return res, p.judge(res)
}

// pipeline connects scanner, workers and assembler.
type pipeline struct {
	opt  *Options
	cfg  *config
	scan *scanner
	quit chan struct{} // closed when the assembler gives up

	mu   sync.Mutex
	idle []*layer
}

var errQuit = errors.New("assembler gave up")

func (p *pipeline) run(r io.Reader, o *output, stats *Stats) error {
	order := make(chan *layer, p.opt.Workers)
	const inHand = 5 // what scanner and assembler hold besides those that wait
	for range cap(order) + inHand {
		p.give(&layer{done: make(chan struct{}, 1)})
	}
	work := make(chan *layer, p.opt.Workers)
	p.scan = newScanner(r, p.opt.Force, p.take, func(l *layer) error {
		work <- l // first, so that it is analysed even while the assembler is behind
		select {
		case order <- l:
		case <-p.quit:
			return errQuit
		}
		return nil
	})
	var workers sync.WaitGroup
	for range p.opt.Workers {
		workers.Go(func() {
			for l := range work {
				l.analyse(p.cfg)
				l.done <- struct{}{}
			}
		})
	}
	scanned := make(chan error, 1)
	go func() {
		scanned <- p.scan.run()
		close(order)
		close(work)
	}()
	assembled := p.assemble(order, o, stats)
	err := <-scanned
	workers.Wait()
	if assembled != nil {
		return assembled
	}
	return err
}

func (p *pipeline) assemble(order <-chan *layer, o *output, stats *Stats) error {
	e := &emitter{stats: stats, mover: newMover(p.opt, p.cfg)}
	check := &selfCheck{}
	b := &columnBuilder{opt: p.opt, cfg: p.cfg, stats: stats, free: p.give}
	b.done = func(l *layer, follow []move) {
		e.layer(l, follow)
		if o.err == nil {
			o.err = check.check(l, e.out, p.opt.Order)
		}
		if o.stamp == nil {
			o.stamp = header(p.opt, e.eol)
		}
		o.add(e.out, e.edits > 0)
	}
	quit := false
	for l := range order {
		<-l.done
		if quit {
			continue
		}
		b.add(l)
		if o.err != nil {
			close(p.quit)
			quit = true
		}
	}
	if !quit {
		b.finish()
		o.flush()
	}
	if o.edited {
		stats.LinesAdded++
	}
	stats.BytesOut = o.written
	stats.TravelAdded = e.travel / mm
	return o.err
}

// take returns an empty layer: the one that has been idle longest, so that all of them grow to the size they need
// early on, and memory does not depend on the length of the input.
func (p *pipeline) take() *layer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return &layer{done: make(chan struct{}, 1)}
	}
	l := p.idle[0]
	p.idle = append(p.idle[:0], p.idle[1:]...)
	l.reset()
	return l
}

// give takes back a layer.
func (p *pipeline) give(l *layer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, l)
}

// analyse finds what can be known of a layer without its neighbours.
func (l *layer) analyse(c *config) {
	l.findLoops()
	if l.walls {
		l.groupLoops(c)
		l.coverCells()
	}
}
