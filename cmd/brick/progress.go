package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// progress shows on a terminal how much of the input was read.
type progress struct {
	w    io.Writer
	size int64
	read atomic.Int64
	quit chan struct{}
	done chan struct{}
}

// newProgress returns nil, which shows nothing, unless w is a terminal and the size is known.
func newProgress(w io.Writer, size int64) *progress {
	f, ok := w.(*os.File)
	if !ok || size == 0 || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	p := &progress{w: w, size: size, quit: make(chan struct{}), done: make(chan struct{})}
	go p.show()
	return p
}

func (p *progress) show() {
	defer close(p.done)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(p.w, "\rbrick: %3d %%", p.read.Load()*100/p.size)
		case <-p.quit:
			fmt.Fprint(p.w, "\r\x1b[K")
			return
		}
	}
}

func (p *progress) stop() {
	if p != nil {
		close(p.quit)
		<-p.done
	}
}

// reader counts what is read from r.
func (p *progress) reader(r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return countReader{r, &p.read}
}

type countReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c countReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}
