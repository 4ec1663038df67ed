package threemf

import (
	"bytes"
	"compress/flate"
	"crypto/md5" //nolint:gosec // the format's
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"testing"
)

// zipEntry is one entry of a test archive, with all that writers do differently, and all that they should not do.
type zipEntry struct {
	name     string
	data     string
	deflate  bool
	behind   bool // sizes in a record behind the data
	unsigned bool // that record has no signature
	wide     bool // 64-bit sizes

	local, central func(*zipHeader) // changes to what the headers say
	hidden         bool             // not in the central directory
}

// zipHeader is what both headers of an entry say.
type zipHeader struct {
	name           string
	flags, method  uint16
	crc            uint32
	stored, size   uint64
	offset         uint32
	extra, comment []byte
}

type zipArchive struct {
	bytes.Buffer
	t       testing.TB
	central bytes.Buffer
	entries int
	end     func(entries *uint16, size, offset *uint32)
	wideEnd func(entries, size, offset *uint64) // a wide record as well
	comment string
}

var le = binary.LittleEndian

func buildZip(t testing.TB, entries ...zipEntry) []byte {
	a := &zipArchive{t: t}
	for _, e := range entries {
		a.add(e)
	}
	return a.close()
}

func (a *zipArchive) add(e zipEntry) {
	h := zipHeader{
		name: e.name, crc: crc32.ChecksumIEEE([]byte(e.data)), size: uint64(len(e.data)), offset: uint32(a.Len()),
	}
	stored := []byte(e.data)
	if e.deflate {
		stored = deflated(a.t, e.data)
		h.method = 8
	}
	h.stored = uint64(len(stored))
	local, central := h, h
	if e.behind {
		local.flags, central.flags = 1<<3, 1<<3
		local.crc, local.stored, local.size = 0, 0, 0
	} else if e.wide {
		local.extra = append([]byte{1, 0, 16, 0}, le.AppendUint64(le.AppendUint64(nil, h.size), h.stored)...)
		local.size, local.stored = math.MaxUint32, math.MaxUint32
	}
	if e.local != nil {
		e.local(&local)
	}
	if e.central != nil {
		e.central(&central)
	}
	a.Write(local.local())
	a.Write(stored)
	if e.behind {
		a.Write(descriptor(h, e.unsigned, e.wide))
	}
	if !e.hidden {
		a.central.Write(central.central())
		a.entries++
	}
}

func deflated(t testing.TB, data string) []byte {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func descriptor(h zipHeader, unsigned, wide bool) []byte {
	b := []byte("PK\x07\x08")
	if unsigned {
		b = nil
	}
	b = le.AppendUint32(b, h.crc)
	if wide {
		return le.AppendUint64(le.AppendUint64(b, h.stored), h.size)
	}
	return le.AppendUint32(le.AppendUint32(b, uint32(h.stored)), uint32(h.size))
}

func (h *zipHeader) common(b []byte) []byte {
	b = le.AppendUint16(le.AppendUint16(b, h.flags), h.method)
	b = append(b, 0, 0, 0x21, 0x58) // 2024-01-01
	b = le.AppendUint32(b, h.crc)
	b = le.AppendUint32(le.AppendUint32(b, uint32(h.stored)), uint32(h.size))
	return le.AppendUint16(le.AppendUint16(b, uint16(len(h.name))), uint16(len(h.extra)))
}

func (h *zipHeader) local() []byte {
	b := h.common([]byte("PK\x03\x04\x14\x00"))
	return append(append(b, h.name...), h.extra...)
}

func (h *zipHeader) central() []byte {
	b := h.common([]byte("PK\x01\x02\x14\x03\x14\x00"))
	b = le.AppendUint16(b, uint16(len(h.comment)))
	b = append(b, make([]byte, 2+2+4)...)
	b = le.AppendUint32(b, h.offset)
	return append(append(append(b, h.name...), h.extra...), h.comment...)
}

func (a *zipArchive) close() []byte {
	entries, size, offset := uint16(a.entries), uint32(a.central.Len()), uint32(a.Len())
	a.Write(a.central.Bytes())
	if a.wideEnd != nil {
		at := a.Len()
		wideEntries, wideSize, wideOffset := uint64(entries), uint64(size), uint64(offset)
		a.wideEnd(&wideEntries, &wideSize, &wideOffset)
		b := append([]byte("PK\x06\x06"), 44, 0, 0, 0, 0, 0, 0, 0, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		b = le.AppendUint64(le.AppendUint64(b, wideEntries), wideEntries)
		b = le.AppendUint64(le.AppendUint64(b, wideSize), wideOffset)
		b = append(b, "PK\x06\x07\x00\x00\x00\x00"...)
		a.Write(append(le.AppendUint64(b, uint64(at)), 1, 0, 0, 0))
	}
	if a.end != nil {
		a.end(&entries, &size, &offset)
	}
	b := append([]byte("PK\x05\x06"), 0, 0, 0, 0)
	b = le.AppendUint16(le.AppendUint16(b, entries), entries)
	b = le.AppendUint32(le.AppendUint32(b, size), offset)
	a.Write(append(le.AppendUint16(b, uint16(len(a.comment))), a.comment...))
	return a.Bytes()
}

func md5Of(text string) string { return fmt.Sprintf("%X", md5.Sum([]byte(text))) } //nolint:gosec // the format's

const plateText = "; plate\nG28\nG1 X1 Y2 E.3\nM84\n"

// project returns the entries of a sliced project, as BambuStudio orders them.
func project() []zipEntry {
	return []zipEntry{
		{name: "[Content_Types].xml", data: "<Types/>", deflate: true, behind: true},
		{name: "Metadata/", behind: true},
		{name: "Metadata/plate_1.png", data: "\x89PNG PK\x07\x08 PK\x03\x04 and so on", behind: true},
		{name: "3D/3dmodel.model", data: "<model/>", deflate: true, behind: true, wide: true},
		{name: "Metadata/plate_1.gcode", data: plateText, deflate: true, behind: true},
		{name: "Metadata/plate_1.gcode.md5", data: md5Of(plateText), behind: true},
		{name: "Metadata/slice_info.config", data: "<config/>", deflate: true, wide: true},
		{name: "Metadata/empty", behind: true, wide: true},
		{name: "Metadata/project_settings.config", data: "{}"},
	}
}
