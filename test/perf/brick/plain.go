package main

import (
	"bufio"
	"errors"
	"io"
	"os"
)

// plainArg makes this program the one that brick is measured against.
const plainArg = "-plain-parse-and-copy"

// plain reads a file line by line, parses the numbers of its moves and writes it out again: the least that any program
// does that understands G-code.
func plain(in, out string) error {
	src, err := os.Open(in)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(out)
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(src, 256<<10)
	w := bufio.NewWriterSize(dst, 256<<10)
	var sum [256]float64
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 1 && line[0] == 'G' {
			parse(line, &sum)
		}
		if _, werr := w.Write(line); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := dst.Sync(); err != nil { // so does brick, and a disk is not what is compared
		return err
	}
	return dst.Close()
}

// parse adds up the numbers of each letter.
func parse(line []byte, sum *[256]float64) {
	for i := 0; i < len(line); {
		letter := line[i]
		i++
		if letter == ';' {
			return
		}
		if letter < 'A' || letter > 'Z' {
			continue
		}
		whole, scale, negative, point := int64(0), 1.0, false, false
	number:
		for ; i < len(line); i++ {
			switch c := line[i]; {
			case c >= '0' && c <= '9':
				whole = whole*10 + int64(c-'0')
				if point {
					scale *= 10
				}
			case c == '.':
				point = true
			case c == '-':
				negative = true
			default:
				break number
			}
		}
		if negative {
			whole = -whole
		}
		sum[letter] += float64(whole) / scale
	}
}
