package threemf

import (
	"bytes"
	"encoding/binary"
	"math"
)

const (
	methodStored   = 0
	methodDeflated = 8
)

// entry is what one header says of an entry.
type entry struct {
	name   string
	flags  uint16
	method uint16
	offset int64 // of the local header
	sizes
}

type sizes struct {
	crc          uint32
	stored, size int64 // bytes, as stored and inflated
}

// sizesBehind tells whether a record behind the data states the sizes.
func (e *entry) sizesBehind() bool { return e.flags&(1<<3) != 0 }

// localHeader reads the header before an entry's data.
func (s *scanner) localHeader() (*entry, error) {
	e := &entry{offset: s.in.offset()}
	b, err := s.in.next(localSize)
	if err != nil {
		return nil, err
	}
	e.flags = binary.LittleEndian.Uint16(b[6:])
	e.method = binary.LittleEndian.Uint16(b[8:])
	e.crc = binary.LittleEndian.Uint32(b[14:])
	e.stored = int64(binary.LittleEndian.Uint32(b[18:]))
	e.size = int64(binary.LittleEndian.Uint32(b[22:]))
	nameSize, extraSize := int(binary.LittleEndian.Uint16(b[26:])), int(binary.LittleEndian.Uint16(b[28:]))
	return e, s.nameAndExtra(e, nameSize, extraSize)
}

// centralHeader reads the header of the same entry in the central directory.
func (s *scanner) centralHeader() (*entry, error) {
	b, err := s.in.next(centralSize)
	if err != nil {
		return nil, err
	}
	e := &entry{
		flags:  binary.LittleEndian.Uint16(b[8:]),
		method: binary.LittleEndian.Uint16(b[10:]),
		offset: int64(binary.LittleEndian.Uint32(b[42:])),
	}
	e.crc = binary.LittleEndian.Uint32(b[16:])
	e.stored = int64(binary.LittleEndian.Uint32(b[20:]))
	e.size = int64(binary.LittleEndian.Uint32(b[24:]))
	nameSize, extraSize := int(binary.LittleEndian.Uint16(b[28:])), int(binary.LittleEndian.Uint16(b[30:]))
	commentSize := int(binary.LittleEndian.Uint16(b[32:]))
	if err := s.nameAndExtra(e, nameSize, extraSize); err != nil {
		return nil, err
	}
	if commentSize > maxName {
		return nil, &Error{reason: ReasonBad, entry: e.name, detail: "its comment is too long"}
	}
	_, err = s.in.next(commentSize)
	return e, err
}

// nameAndExtra reads what follows the fixed part of a header.
func (s *scanner) nameAndExtra(e *entry, nameSize, extraSize int) error {
	if nameSize > maxName {
		return &Error{reason: ReasonPath, detail: "the name of an entry is too long"}
	}
	name, err := s.in.next(nameSize)
	if err != nil {
		return err
	}
	e.name = string(name)
	if extraSize > inputSize/2 {
		return &Error{reason: ReasonBad, entry: e.name, detail: "its extra field is too long"}
	}
	extra, err := s.in.next(extraSize)
	if err != nil {
		return err
	}
	e.widen(extra)
	return nil
}

// widen replaces the sizes that did not fit into 32 bits by those of the extra field for it.
func (e *entry) widen(extra []byte) {
	const tagWide = 1
	for len(extra) >= 4 {
		tag, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		extra = extra[4:]
		field := extra[:min(size, len(extra))]
		extra = extra[len(field):]
		if tag != tagWide {
			continue
		}
		for _, v := range []*int64{&e.size, &e.stored, &e.offset} {
			if *v == math.MaxUint32 && len(field) >= 8 {
				*v = int64(binary.LittleEndian.Uint64(field))
				field = field[8:]
			}
		}
	}
}

// maxDescriptor is the longest record behind an entry's data: signature, checksum and two wide sizes.
const maxDescriptor = 24

// descriptor returns the length of the record that b begins with if it states the sizes, and 0 if it does not. Writers
// differ on whether it has a signature and how wide its sizes are.
func (s sizes) descriptor(b []byte) int {
	signature := 0
	if bytes.HasPrefix(b, []byte(sigDescriptor)) {
		signature = len(sigDescriptor)
	}
	b = b[signature:]
	const narrow, wide = 12, 20
	switch le := binary.LittleEndian; {
	case len(b) < narrow || le.Uint32(b) != s.crc:
		return 0
	// Wide comes first: of nothing, the narrow record is the beginning of the wide one.
	case len(b) >= wide && le.Uint64(b[4:]) == uint64(s.stored) && le.Uint64(b[12:]) == uint64(s.size):
		return signature + wide
	case int64(le.Uint32(b[4:])) == s.stored && int64(le.Uint32(b[8:])) == s.size:
		return signature + narrow
	}
	return 0
}
