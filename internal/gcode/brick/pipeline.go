package brick

import (
	"errors"
	"io"
	"sync"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// pipeline connects scanner, workers and assembler. They hand on layers in batches, because to wake a goroutine takes
// as long as to analyse a small layer:
//
//	scanner ─→ work ─→ workers ─┐ done
//	        └→ order ───────────┴─→ assembler
type pipeline struct {
	opt    *Options
	cfg    *dialect.Settings
	scan   *scanner
	batch  *batch // being filled
	work   chan *batch
	order  chan *batch
	idle   chan *batch
	ended  chan int // sizes of batches that the assembler is done with
	flying int      // size of those it is not done with
	layers layerPool
	quit   chan struct{} // closed when the assembler gives up
}

// A batch is so much text, or so many layers, as are handed on together.
const (
	batchSize   = 32 << 10
	batchLayers = 8
	maxFlying   = 2 << 20 // text that may be on its way: a layer takes several times the memory of its text
)

type batch struct {
	layers []*layer
	size   int
	done   chan struct{} // receives one value when all layers are analysed
}

var errQuit = errors.New("assembler gave up")

func newPipeline(opt *Options, cfg *dialect.Settings) *pipeline {
	return &pipeline{
		opt: opt, cfg: cfg, quit: make(chan struct{}),
		work: make(chan *batch, opt.Workers), order: make(chan *batch, opt.Workers),
		idle:  make(chan *batch, 2*opt.Workers+4), // all that can be under way: none is dropped
		ended: make(chan int, 2*opt.Workers+4),    // more than are sent before the scanner looks again
	}
}

// run processes an input of which head was already read from r.
func (p *pipeline) run(head []byte, r io.Reader, o *output, stats *Stats) error {
	p.scan = newScanner(head, r, p.opt.Force, p.layers.take, p.emit)
	var workers sync.WaitGroup
	for range p.opt.Workers {
		workers.Go(func() {
			for b := range p.work {
				for _, l := range b.layers {
					l.analyse(p.cfg)
				}
				b.done <- struct{}{}
			}
		})
	}
	scanned := make(chan error, 1)
	go func() {
		err := p.scan.run()
		if err == nil {
			err = p.send()
		}
		scanned <- err
		close(p.order)
		close(p.work)
	}()
	assembled := p.assemble(o, stats)
	err := <-scanned
	workers.Wait()
	if assembled != nil {
		return assembled
	}
	return err
}

// emit takes a layer from the scanner.
func (p *pipeline) emit(l *layer) error {
	if p.batch == nil {
		select {
		case p.batch = <-p.idle:
		default:
			p.batch = &batch{done: make(chan struct{}, 1)}
		}
	}
	b := p.batch
	p.layers.text, p.layers.moves = len(l.text), len(l.moves)
	b.layers = append(b.layers, l)
	b.size += len(l.text)
	if b.size < batchSize && len(b.layers) < batchLayers {
		return nil
	}
	return p.send()
}

// send hands on what has been collected.
func (p *pipeline) send() error {
	b := p.batch
	if b == nil {
		return nil
	}
	p.batch = nil
	p.makeRoom(b.size)
	p.work <- b // first, so that it is analysed even while the assembler is behind
	select {
	case p.order <- b:
		return nil
	case <-p.quit:
		return errQuit
	}
}

// makeRoom waits until so much more text may be on its way.
func (p *pipeline) makeRoom(size int) {
	for len(p.ended) > 0 || p.flying > 0 && p.flying+size > maxFlying {
		p.flying -= <-p.ended
	}
	p.flying += size
}

func (p *pipeline) assemble(o *output, stats *Stats) error {
	e := &emitter{climb: newClimb(p.opt), stats: stats, mover: newMover(p.opt, p.cfg)}
	check := &selfCheck{climb: e.climb}
	b := &columnBuilder{opt: p.opt, cfg: p.cfg, climb: e.climb, stats: stats, free: p.layers.give}
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
	for batch := range p.order {
		<-batch.done
		if quit {
			p.ended <- batch.size
			continue
		}
		for _, l := range batch.layers {
			b.add(l)
		}
		p.ended <- batch.size
		batch.layers, batch.size = batch.layers[:0], 0
		select {
		case p.idle <- batch:
		default:
		}
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

// layerPool keeps layers that nobody needs any more. A layer keeps its memory, so small and large ones are kept apart,
// or in the end all of them would be as large as the largest in the file.
type layerPool struct {
	mu           sync.Mutex
	small, large []*layer
	text, moves  int // as much as the last layer had that was filled
}

const (
	largeLayer = batchSize // of text
	maxLarge   = 16        // more than are in flight at a time
)

// take returns an empty layer, for one that is probably as large as those before it. It is the one that has been idle
// longest, so that all of them grow to the size they need early on, and memory does not depend on the length of the
// input.
func (p *layerPool) take() *layer {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := &p.small
	if p.text > largeLayer && len(p.large) > 0 || len(p.small) == 0 {
		from = &p.large
	}
	if len(*from) == 0 {
		return &layer{text: make([]byte, 0, p.text+p.text/4), moves: make([]move, 0, p.moves+p.moves/4)}
	}
	l := (*from)[0]
	*from = append((*from)[:0], (*from)[1:]...)
	l.reset()
	return l
}

// give takes back a layer.
func (p *layerPool) give(l *layer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case cap(l.text) <= largeLayer:
		p.small = append(p.small, l)
	case len(p.large) < maxLarge:
		p.large = append(p.large, l)
	}
}
