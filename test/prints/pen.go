package prints

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// pen writes lines and keeps what a printer would know: where the nozzle is, and how much filament was counted.
// Positions are in micrometres, filament in hundredths of a micrometre, the last decimals that are printed.
type pen struct {
	w        *bufio.Writer
	o        Options
	d        *dialect
	buf      []byte
	line     int // lines ended so far
	number   int // of the next numbered line
	at       point
	z        int
	e        int64
	feed     float64
	backward point // where the last bead came from: a wipe goes back there
	pulled   bool  // retracted
	err      error
}

func newPen(w io.Writer, o Options, d *dialect) *pen {
	return &pen{w: bufio.NewWriterSize(w, 1<<16), o: o, d: d}
}

// raw writes one line as it stands.
func (p *pen) raw(text string) {
	p.buf = append(p.buf[:0], text...)
	p.flushLine()
}

func (p *pen) rawf(format string, args ...any) { p.raw(fmt.Sprintf(format, args...)) }

// command writes a line that a printer executes; it is numbered when the print is.
func (p *pen) command(text string) {
	p.begin(text)
	p.end("")
}

func (p *pen) begin(code string) {
	p.buf = p.buf[:0]
	if p.o.has("checksum") || p.o.has("line-numbers") {
		p.number++
		p.buf = append(p.buf, 'N')
		p.buf = strconv.AppendInt(p.buf, int64(p.number), 10)
		p.buf = append(p.buf, ' ')
	}
	if p.o.has("lower-case") && len(code) == 2 {
		code = strings.ToLower(code[:1]) + "0" + code[1:]
	}
	p.buf = append(p.buf, code...)
}

// word appends a letter and a value given in units of 10^-decimals.
func (p *pen) word(letter byte, value int64, decimals int) {
	if p.o.has("lower-case") {
		letter |= 0x20
	}
	p.buf = append(p.buf, ' ', letter)
	p.buf = appendDecimal(p.buf, value, decimals, p.d.numbers)
}

func appendDecimal(b []byte, value int64, decimals int, style numbers) []byte {
	if value < 0 {
		b = append(b, '-')
		value = -value
	}
	unit := int64(math.Pow10(decimals))
	whole, part := value/unit, value%unit
	if style == fixed || style == trimmed || whole != 0 || part == 0 {
		b = strconv.AppendInt(b, whole, 10)
	}
	if part == 0 && style != fixed {
		return b
	}
	b = append(b, '.')
	for unit /= 10; unit > 0 && (part > 0 || style == fixed); unit /= 10 {
		b = append(b, byte('0'+part/unit))
		part %= unit
	}
	return b
}

func (p *pen) end(comment string) {
	if comment != "" && p.o.has("comments") {
		p.buf = append(p.buf, " ; "...)
		p.buf = append(p.buf, comment...)
	}
	if p.o.has("checksum") {
		sum := byte(0)
		for _, c := range p.buf {
			sum ^= c
		}
		p.buf = append(p.buf, '*')
		p.buf = strconv.AppendInt(p.buf, int64(sum), 10)
	}
	p.flushLine()
}

// flushLine ends the line before and writes this one, so that the last line of a print can be left without an end.
func (p *pen) flushLine() {
	if p.line > 0 {
		p.endLine()
	}
	p.line++
	if _, err := p.w.Write(p.buf); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *pen) endLine() {
	eol := "\n"
	if p.o.has("crlf") {
		eol = "\r\n"
	}
	if _, err := p.w.WriteString(eol); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *pen) xy(to point) {
	p.word('X', int64(to.x), 3)
	p.word('Y', int64(to.y), 3)
	p.at = to
}

// pay counts filament and writes the E word that says so.
func (p *pen) pay(e int64) {
	if !p.o.absolute(p.d) {
		p.word('E', e, 5)
		return
	}
	p.e += e
	p.word('E', p.e, 5)
}

// filament converts mm to the unit of pay.
func filament(mm float64) int64 { return int64(math.Round(mm * 1e5)) }

func (p *pen) feedWord(f float64) {
	p.word('F', int64(math.Round(f*1000)), 3)
	p.feed = f
}

// setFeed writes the speed of the beads that follow, where the dialect has a line for that.
func (p *pen) setFeed(f float64) {
	if p.d.feedFirst || p.feed == f {
		return
	}
	p.begin("G1")
	p.feedWord(f)
	p.end("")
}

// bead extrudes along s; perMM is filament per mm of path, f the speed.
func (p *pen) bead(s seg, perMM, f float64, climbTo int, comment string) {
	length := s.length(p.at)
	code := "G1"
	switch {
	case s.turn > 0:
		code = "G3"
	case s.turn < 0:
		code = "G2"
	}
	p.begin(code)
	if p.d.feedFirst && p.feed != f {
		p.feedWord(f)
	}
	from := p.at
	p.backward = from
	p.xy(s.to)
	if climbTo != 0 && climbTo != p.z {
		p.z = climbTo
		p.word('Z', int64(p.z), 3)
	}
	if s.turn != 0 && p.o.has("r-arcs") {
		p.word('R', int64(mm(dist(s.to, s.centre))), 3)
	} else if s.turn != 0 {
		p.word('I', int64(s.centre.x-from.x), 3)
		p.word('J', int64(s.centre.y-from.y), 3)
	}
	p.pay(filament(length * perMM))
	p.end(comment)
}

const (
	travelFeed  = 10800
	liftFeed    = 720
	retractFeed = 2100
)

// travel moves without extruding. A long way is travelled with the filament pulled back, and lifted if the print asks.
// Above the place, before it comes down, the nozzle has arrived: some slicers say there what comes next.
func (p *pen) travel(to point, z int, arrived func()) {
	if p.at == to && p.z == z {
		arrived()
		return
	}
	long := dist(p.at, to) > 2 || p.z != z
	if long {
		p.pull()
	}
	lift := long && (p.d.helix || p.o.has("hop"))
	sloped := long && !lift && p.o.has("slope")
	switch {
	case lift:
		p.up(max(z, p.z) + mm(p.d.lift))
	case p.z < z && !p.d.feedFirst && !sloped:
		p.lower(z)
	}
	if long && p.o.has("combing") {
		p.glide(point{(p.at.x + to.x) / 2, (p.at.y+to.y)/2 + 1500}, p.z, false)
	}
	direct := p.d.feedFirst && p.z != z && !lift && !sloped
	switch {
	case sloped:
		p.z = max(z, p.z) + mm(p.d.lift)
	case direct:
		p.z = z
	}
	p.glide(to, p.z, direct || sloped || lift && p.d.helix)
	arrived()
	if p.z != z {
		p.lower(z)
	}
	if long {
		p.push()
	}
}

// glide is one travel line. Z is named where it changes, or on demand.
func (p *pen) glide(to point, z int, nameZ bool) {
	p.begin(p.d.travel)
	if p.d.feedFirst {
		p.feedWord(travelFeed)
	}
	p.xy(to)
	if nameZ {
		p.word('Z', int64(z), 3)
	}
	if !p.d.feedFirst && p.feed != travelFeed {
		p.feedWord(travelFeed)
	}
	p.end("move to the next loop")
}

// up lifts the nozzle, on a spiral where the dialect does so.
func (p *pen) up(z int) {
	if z <= p.z {
		return
	}
	p.z = z
	if !p.d.helix {
		p.lower(z)
		return
	}
	p.command("G17")
	p.begin("G3")
	p.word('Z', int64(z), 3)
	p.word('I', 1217, 3)
	p.word('J', 0, 3)
	p.word('P', 1, 0)
	p.feedWord(60000)
	p.end("spiral lift")
}

// lower is a Z-only move.
func (p *pen) lower(z int) {
	p.z = z
	p.begin("G1")
	if p.d.feedFirst {
		p.feedWord(liftFeed)
	}
	p.word('Z', int64(z), 3)
	if !p.d.feedFirst {
		p.feedWord(liftFeed)
	}
	p.end("to the layer")
}

// pull retracts, once.
func (p *pen) pull() {
	if p.pulled {
		return
	}
	p.pulled = true
	if p.o.has("fw-retract") {
		p.command("G10")
		return
	}
	amount := filament(p.d.retract)
	if !p.o.has("wipe") || p.backward == p.at {
		p.extruder(-amount, retractFeed)
		return
	}
	p.extruder(-amount*8/10, retractFeed)
	p.raw(";WIPE_START")
	p.begin("G1")
	p.feedWord(8640)
	p.end("")
	p.begin("G1")
	p.xy(p.backward)
	p.pay(-(amount - amount*8/10))
	p.end("wipe and retract")
	p.raw(";WIPE_END")
}

func (p *pen) push() {
	if !p.pulled {
		return
	}
	p.pulled = false
	if p.o.has("fw-retract") {
		p.command("G11")
		return
	}
	p.extruder(filament(p.d.retract), 1500)
}

func (p *pen) extruder(e int64, f float64) {
	p.begin("G1")
	if p.d.feedFirst {
		p.feedWord(f)
	}
	p.pay(e)
	if !p.d.feedFirst {
		p.feedWord(f)
	}
	p.end("filament")
}

// resetE starts the count of filament anew, as slicers do on every layer in absolute mode.
func (p *pen) resetE() {
	p.command("G92 E0")
	p.e = 0
}
