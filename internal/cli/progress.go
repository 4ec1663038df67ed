package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows how far files are: bars on a terminal, a line now and then elsewhere.
type progress interface {
	file(name string, size int64) fileProgress
	wait() // until what is shown is final
}

type fileProgress interface {
	sent(bytes int64)
	state(text string) // what happens now
	end(text string)   // what it has come to
}

func newProgress(w io.Writer) progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &bars{container: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))}
	}
	return &lines{w: w}
}

type bars struct{ container *mpb.Progress }

func (b *bars) file(name string, size int64) fileProgress {
	f := &barOfFile{}
	// Without a total at first: a bar that completes by itself would say nothing of what follows.
	f.bar = b.container.New(0, mpb.BarStyle().Lbound("|").Rbound("|").Tip("="),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(f.text)),
	)
	f.bar.SetTotal(size, false)
	return f
}

func (b *bars) wait() { b.container.Wait() }

type barOfFile struct {
	bar   *mpb.Bar
	mu    sync.Mutex
	now   string
	speed rate
}

// text stands behind the bar.
func (f *barOfFile) text(s decor.Statistics) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != "" {
		return f.now
	}
	text := fmt.Sprintf("%s of %s", bytesText(s.Current), bytesText(s.Total))
	if perSecond := f.speed.perSecond(s.Current, time.Now()); perSecond > 0 {
		left := time.Duration(float64(s.Total-s.Current) / perSecond * float64(time.Second))
		text += fmt.Sprintf("  %s/s  %s left", bytesText(int64(perSecond)), left.Round(time.Second))
	}
	return text
}

func (f *barOfFile) sent(n int64) { f.bar.SetCurrent(n) }

func (f *barOfFile) state(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = text
}

func (f *barOfFile) end(text string) {
	f.state(text)
	f.bar.Abort(false)
}

// rate is how fast something has gone on lately.
type rate struct {
	at   time.Time
	done int64
	per  float64
}

// perSecond takes what is done by now.
func (r *rate) perSecond(done int64, now time.Time) float64 {
	if r.at.IsZero() {
		r.at, r.done = now, done
		return 0
	}
	if passed := now.Sub(r.at).Seconds(); passed >= 0.5 {
		latest := float64(done-r.done) / passed
		if r.per == 0 {
			r.per = latest
		}
		r.per += 0.3 * (latest - r.per)
		r.at, r.done = now, done
	}
	return r.per
}

// lines says each tenth of a file, and no more often than every few seconds.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

const lineEvery = 2 * time.Second

func (l *lines) file(name string, size int64) fileProgress {
	return &linesOfFile{lines: l, name: name, size: size, last: time.Now()}
}

func (l *lines) wait() {}

func (l *lines) say(name, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "%s: %s\n", name, text)
}

type linesOfFile struct {
	lines  *lines
	name   string
	size   int64
	last   time.Time
	tenths int64
	now    string
}

func (f *linesOfFile) sent(n int64) {
	tenths := n * 10 / max(1, f.size)
	if tenths == f.tenths || time.Since(f.last) < lineEvery {
		return
	}
	f.tenths, f.last = tenths, time.Now()
	f.lines.say(f.name, fmt.Sprintf("%d %%, %s of %s", n*100/max(1, f.size), bytesText(n), bytesText(f.size)))
}

func (f *linesOfFile) state(text string) {
	if text != f.now {
		f.now = text
		f.lines.say(f.name, text)
	}
}

func (f *linesOfFile) end(text string) { f.state(text) }

// bytesText is a size as people read it.
func bytesText(n int64) string {
	value, unit := float64(n), 0
	units := []string{"B", "KB", "MB", "GB", "TB"}
	for value >= 999.5 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if unit == 0 || value >= 99.95 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
