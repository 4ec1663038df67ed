package threemf

import (
	"bytes"
	"fmt"
)

// directory reads the central directory and all behind it, and compares it with the entries that passed by.
func (s *scanner) directory() error {
	start := s.in.offset()
	missing := map[int64]*entry{}
	for i := range s.entries {
		missing[s.entries[i].offset] = &s.entries[i]
	}
	for {
		sig, err := s.in.peek(len(sigCentral))
		if err != nil {
			return err
		}
		if string(sig) != sigCentral {
			break
		}
		e, err := s.centralHeader()
		if err != nil {
			return err
		}
		if err := e.compare(missing[e.offset]); err != nil {
			return err
		}
		delete(missing, e.offset)
	}
	for _, e := range missing {
		return &Error{reason: ReasonBad, entry: e.name, detail: "the central directory does not list it"}
	}
	return s.end(start)
}

// compare checks what the directory says of an entry.
func (e *entry) compare(passed *entry) error {
	switch {
	case passed == nil:
		return &Error{reason: ReasonBad, entry: e.name,
			detail: fmt.Sprintf("the central directory lists it at byte %d, where no entry is or one listed before", e.offset)}
	case e.flags&encryptedFlags != 0:
		return errEncrypted(e.name)
	case e.name != passed.name || e.method != passed.method || e.sizes != passed.sizes:
		return &Error{reason: ReasonBad, entry: e.name, detail: "the central directory does not say the same of it"}
	}
	return nil
}

// end reads the records behind the central directory that began at byte start, and makes sure that nothing follows.
func (s *scanner) end(start int64) error {
	directoryEnd := s.in.offset()
	var wide []byte
	if sig, err := s.in.peek(len(sigEnd64)); err != nil {
		return err
	} else if string(sig) == sigEnd64 {
		b, err := s.in.next(end64Size + locator64Size)
		if err != nil {
			return err
		}
		wide = bytes.Clone(b)
	}
	b, err := s.in.next(endSize)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(b, []byte(sigEnd)) {
		return &Error{reason: ReasonBad, detail: "something other than its end follows the central directory"}
	}
	end := parseEnd(b)
	if wide != nil {
		if err := end.widen(wide, directoryEnd); err != nil {
			return err
		}
	}
	if err := end.check(directoryEnd); err != nil {
		return err
	}
	if end.offset != start || end.entries != int64(len(s.entries)) {
		return &Error{reason: ReasonBad, detail: "the end of the archive does not describe its central directory"}
	}
	if _, err := s.in.next(end.comment); err != nil {
		return err
	}
	rest, err := s.in.peek(1)
	if len(rest) > 0 {
		return &Error{reason: ReasonBad, detail: "something follows the end of the archive"}
	}
	return err
}
