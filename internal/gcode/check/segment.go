package check

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// segment is the text between two layer markers, with its first marker line. Markers between which nothing is extruded
// are one: some slicers announce a layer twice.
type segment struct {
	text     []byte
	line     int // number of its first line, from 1
	commands []command
	*trace
}

// segmenter cuts a file into segments and follows the machine through them.
type segmenter struct {
	r       *bufio.Reader
	name    string
	machine machine
	line    int
	next    *segment // begun: it holds the marker that ended the one before
	done    bool
}

func newSegmenter(r io.Reader, name string) *segmenter {
	s := &segmenter{r: bufio.NewReaderSize(r, 64<<10), name: name, line: 1}
	s.next = &segment{line: 1, trace: &trace{}}
	s.machine.enter(s.next)
	return s
}

// read returns the next segment, nil at the end of the file. It may use the memory of recycled.
func (s *segmenter) read(recycled *segment) (*segment, error) {
	if s.done {
		return nil, nil
	}
	cur := s.next
	for {
		from := len(cur.text)
		eof, err := s.readLine(cur)
		if err != nil {
			return nil, fmt.Errorf("read %s line %d: %w", s.name, s.line, err)
		}
		if len(cur.text) == from {
			s.done = true
			return cur, nil
		}
		c := s.parse(cur, from)
		if c.kind == comment {
			a := readMark(cur.text[c.off:c.end])
			if a.mark == layerMark && cur.extrudes() {
				s.next = recycle(recycled, s.line)
				s.next.text = append(s.next.text, cur.text[from:]...)
				cur.text = cur.text[:from]
				cur.commands = cur.commands[:len(cur.commands)-1]
				s.line++
				s.begin(a)
				return cur, nil
			}
			s.machine.announce(cur, a)
		} else {
			s.machine.step(cur, c)
		}
		s.line++
		s.done = eof
		if eof {
			return cur, nil
		}
	}
}

// begin parses the marker that opens s.next.
func (s *segmenter) begin(a announced) {
	s.machine.enter(s.next)
	s.parse(s.next, 0)
	s.machine.announce(s.next, a)
}

func recycle(old *segment, line int) *segment {
	if old == nil {
		return &segment{line: line, trace: &trace{}}
	}
	old.trace.reset()
	*old = segment{text: old.text[:0], commands: old.commands[:0], line: line, trace: old.trace}
	return old
}

// parse appends the line at text[from:] to the commands of g.
func (s *segmenter) parse(g *segment, from int) *command {
	end := len(g.text)
	if end > from && g.text[end-1] == '\n' {
		end--
		if end > from && g.text[end-1] == '\r' {
			end--
		}
	}
	g.commands = append(g.commands, command{off: int32(from), end: int32(end), next: int32(len(g.text))})
	c := &g.commands[len(g.commands)-1]
	c.read(g.text[from:end])
	return c
}

// maxSegment is the most text of a layer that is held: offsets are 32 bits.
const maxSegment = 1 << 30

// readLine appends one line with its terminator to the text of g.
func (s *segmenter) readLine(g *segment) (eof bool, err error) {
	for {
		part, err := s.r.ReadSlice('\n')
		if len(g.text)+len(part) > maxSegment {
			return false, errors.New("a layer is larger than 1 GiB")
		}
		g.text = append(g.text, part...)
		switch {
		case err == nil:
			return false, nil
		case errors.Is(err, io.EOF):
			return true, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return false, err
		}
	}
}

func (g *segment) lineText(i int) []byte {
	c := &g.commands[i]
	return g.text[c.off:c.end]
}

// full is the line with its terminator.
func (g *segment) full(i int) []byte {
	c := &g.commands[i]
	return g.text[c.off:c.next]
}
