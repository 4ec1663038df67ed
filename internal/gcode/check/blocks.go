package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// block is where a block of a binary G-code file is stored.
type block struct {
	kind     uint16
	from, to int64
	crcOK    bool
}

const gcodeBlock = 1

// Blocks compares two binary G-code files: the G-code, which decode turns into text, as a print, all other blocks byte
// for byte, and the checksum of every block with its bytes. The error is one of reading the input.
func Blocks(in, out Sized, decode func(io.Reader) (io.Reader, error), opt Options) (*Report, error) {
	a, err := readBlocks(in)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	report := newReport()
	b, err := readBlocks(out)
	if err != nil {
		report.add("I27", 0, 0, "output: %v", err)
		return report, nil
	}
	for i, k := range b {
		report.checked("I27", 1)
		if !k.crcOK {
			report.add("I27", 0, 0, "block %d of the output, at byte %d, has a wrong checksum", i, k.from)
		}
	}
	if err := compareBlocks(report, in, out, a, b); err != nil {
		return nil, err
	}
	textIn, err := decode(io.NewSectionReader(in, 0, in.Size()))
	if err != nil {
		return nil, fmt.Errorf("decode input: %w", err)
	}
	textOut, err := decode(io.NewSectionReader(out, 0, out.Size()))
	if err != nil {
		report.add("I27", 0, 0, "output cannot be decoded: %v", err)
		return report, nil
	}
	text, err := Compare(textIn, textOut, opt)
	if err != nil {
		return nil, err
	}
	report.merge(text)
	return report, nil
}

// compareBlocks sees that the file header and the blocks before, between and behind the G-code are the same.
func compareBlocks(report *Report, in, out Sized, a, b []block) error {
	a, b = append([]block{{from: 0, to: 10}}, without(a)...), append([]block{{from: 0, to: 10}}, without(b)...)
	if len(a) != len(b) {
		report.add("I27", 0, 0, "%d blocks besides the G-code, %d in the input", len(b)-1, len(a)-1)
		return nil
	}
	for i := range a {
		report.checked("I27", 1)
		same, err := sameBytes(io.NewSectionReader(in, a[i].from, a[i].to-a[i].from),
			io.NewSectionReader(out, b[i].from, b[i].to-b[i].from))
		if err != nil {
			return fmt.Errorf("compare the block at byte %d: %w", a[i].from, err)
		}
		if !same {
			report.add("I27", 0, 0, "the block at byte %d, of type %d, is not what it was", a[i].from, a[i].kind)
		}
	}
	return nil
}

func without(all []block) []block {
	var rest []block
	for _, k := range all {
		if k.kind != gcodeBlock {
			rest = append(rest, k)
		}
	}
	return rest
}

// readBlocks follows the block headers through the file. A block is u16 type, u16 compression, u32 size, u32 stored
// size if it is compressed, parameters (2 bytes, of a thumbnail 6), data, and with checksum type 1 the CRC32 of all
// that; numbers are little-endian.
func readBlocks(f Sized) ([]block, error) {
	var head [12]byte
	if _, err := f.ReadAt(head[:10], 0); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	if string(head[:4]) != "GCDE" {
		return nil, errors.New("not binary G-code")
	}
	sum := binary.LittleEndian.Uint16(head[8:]) == 1
	const thumbnail = 5
	var all []block
	for at := int64(10); at < f.Size(); {
		if _, err := f.ReadAt(head[:8], at); err != nil {
			return nil, fmt.Errorf("read block at byte %d: %w", at, err)
		}
		k := block{kind: binary.LittleEndian.Uint16(head[:]), from: at, crcOK: true}
		at += 8
		stored := binary.LittleEndian.Uint32(head[4:])
		if binary.LittleEndian.Uint16(head[2:]) != 0 {
			if _, err := f.ReadAt(head[:4], at); err != nil {
				return nil, fmt.Errorf("read block at byte %d: %w", k.from, err)
			}
			stored = binary.LittleEndian.Uint32(head[:])
			at += 4
		}
		at += 2 + int64(stored)
		if k.kind == thumbnail {
			at += 4
		}
		if sum {
			if err := k.check(f, at); err != nil {
				return nil, err
			}
			at += 4
		}
		k.to = at
		all = append(all, k)
	}
	return all, nil
}

// check compares the checksum at a position with the block before it.
func (k *block) check(f Sized, at int64) error {
	var stored [4]byte
	if _, err := f.ReadAt(stored[:], at); err != nil {
		return fmt.Errorf("read the checksum of the block at byte %d: %w", k.from, err)
	}
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, io.NewSectionReader(f, k.from, at-k.from)); err != nil {
		return fmt.Errorf("read the block at byte %d: %w", k.from, err)
	}
	k.crcOK = sum.Sum32() == binary.LittleEndian.Uint32(stored[:])
	return nil
}
