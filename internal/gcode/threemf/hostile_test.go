package threemf

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

func plateEntry() zipEntry {
	return zipEntry{name: "Metadata/plate_1.gcode", data: plateText, deflate: true}
}

func TestNames(t *testing.T) {
	for name, reason := range map[string]string{
		"Metadata/a b (1).png":   "",
		"Metadata/ümläut.png":    "",
		"..data/a..b":            "",
		"":                       ReasonPath,
		"/etc/passwd":            ReasonPath,
		"../up":                  ReasonPath,
		"a/../b":                 ReasonPath,
		"a/..":                   ReasonPath,
		"./a":                    ReasonPath,
		"a//b":                   ReasonPath,
		"/":                      ReasonPath,
		`a\b`:                    ReasonPath,
		"C:a":                    ReasonPath,
		"a\x00b":                 ReasonPath,
		"a\nb":                   ReasonPath,
		"a\x7Fb":                 ReasonPath,
		"\xff\xfe":               ReasonPath,
		strings.Repeat("n", 513): ReasonPath,
	} {
		check(t, buildZip(t, plateEntry(), zipEntry{name: name}), reason)
	}
	check(t, buildZip(t, plateEntry(), plateEntry()), ReasonPath)
}

func TestUnsoundHeaders(t *testing.T) {
	both := func(f func(*zipHeader)) []byte {
		e := plateEntry()
		e.local, e.central = f, f
		return buildZip(t, e)
	}
	for name, tt := range map[string]struct {
		archive []byte
		reason  string
	}{
		"encrypted":        {both(func(h *zipHeader) { h.flags = 1 }), ReasonEncrypted},
		"strongly":         {both(func(h *zipHeader) { h.flags = 1 << 6 }), ReasonEncrypted},
		"header encrypted": {both(func(h *zipHeader) { h.flags = 1 << 13 }), ReasonEncrypted},
		"zstd":             {both(func(h *zipHeader) { h.method = 93 }), ReasonBad},
		"not deflate":      {both(func(h *zipHeader) { h.stored-- }), ReasonBad},
		"checksum":         {both(func(h *zipHeader) { h.crc++ }), ReasonBad},
		"too long":         {both(func(h *zipHeader) { h.size-- }), ReasonBad},
		"too short":        {both(func(h *zipHeader) { h.size++ }), ReasonBad},
		"no archive":       {[]byte("G28\nG1 X1\n"), ReasonBad},
		"nothing":          {nil, ReasonBad},
		"folder with data": {buildZip(t, plateEntry(), zipEntry{name: "Metadata/", data: "data"}), ReasonBad},
		"entries that share their bytes": {func() []byte {
			a := &zipArchive{t: t}
			for i := range 30 {
				first := func(h *zipHeader) { h.offset = 0 }
				a.add(zipEntry{name: fmt.Sprint(i), data: strings.Repeat("x", 10_000), central: first})
				if i > 0 {
					a.Truncate(10_031)
				}
			}
			a.add(plateEntry())
			return a.close()
		}(), ReasonBad},
	} {
		t.Run(name, func(t *testing.T) { check(t, tt.archive, tt.reason) })
	}
}

// A reader from front to back sees what the headers before the data say, a reader of the directory what that says.
// Whoever can make the two differ shows a scanner something else than what will be printed.
func TestScanWantsBothHeadersToSayTheSame(t *testing.T) {
	other := zipEntry{name: "other", data: "data of another entry"}
	change := func(f func(*zipHeader)) []byte {
		e := plateEntry()
		e.central = f
		return buildZip(t, other, e)
	}
	hidden := plateEntry()
	hidden.hidden = true
	later := plateEntry()
	later.name = "Metadata/plate_2.gcode"
	for name, tt := range map[string]struct {
		archive []byte
		reason  string
	}{
		"name":         {change(func(h *zipHeader) { h.name = "Metadata/plate_2.gcode" }), ReasonBad},
		"method":       {change(func(h *zipHeader) { h.method = 0 }), ReasonBad},
		"stored":       {change(func(h *zipHeader) { h.stored++ }), ReasonBad},
		"size":         {change(func(h *zipHeader) { h.size++ }), ReasonBad},
		"crc":          {change(func(h *zipHeader) { h.crc++ }), ReasonBad},
		"offset":       {change(func(h *zipHeader) { h.offset++ }), ReasonBad},
		"other offset": {change(func(h *zipHeader) { h.offset = 0 }), ReasonBad},
		"encrypted":    {change(func(h *zipHeader) { h.flags |= 1 }), ReasonEncrypted},
		"comment":      {change(func(h *zipHeader) { h.comment = make([]byte, 10_000) }), ReasonBad},
		"hidden entry": {buildZip(t, hidden, later), ReasonBad},
		"before it":    {append([]byte("#!/bin/sh\n"), buildZip(t, plateEntry())...), ReasonBad},
		"behind it":    {append(buildZip(t, plateEntry()), 0), ReasonBad},
		"twice listed": {func() []byte {
			a := &zipArchive{t: t}
			a.add(plateEntry())
			a.central.Write(bytes.Clone(a.central.Bytes()))
			a.entries++
			return a.close()
		}(), ReasonBad},
		"directory without its first entry": {func() []byte {
			a := &zipArchive{t: t}
			a.add(other)
			first := uint32(a.central.Len())
			a.add(plateEntry())
			a.end = func(_ *uint16, size, offset *uint32) { *size -= first; *offset += first }
			return a.close()
		}(), ReasonBad},
		"record behind the data": {func() []byte {
			e := plateEntry()
			e.behind = true
			archive := buildZip(t, e)
			archive[bytes.Index(archive, []byte("PK\x07\x08"))+5]++
			return archive
		}(), ReasonBad},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := scan(bytes.NewReader(tt.archive), 1<<20); reasonOf(err) != tt.reason {
				t.Errorf("got %v, want %s", err, tt.reason)
			}
		})
	}
}

func TestEndOfArchive(t *testing.T) {
	same := func(*uint64, *uint64, *uint64) {}
	unsaid := func(entries *uint16, size, offset *uint32) { *entries, *size, *offset = 1<<16-1, 1<<32-1, 1<<32-1 }
	for name, tt := range map[string]struct {
		end     func(entries *uint16, size, offset *uint32)
		wideEnd func(entries, size, offset *uint64)
		reason  string
	}{
		"sound":                    {nil, nil, ""},
		"with a wide record":       {nil, same, ""},
		"only in the wide record":  {unsaid, same, ""},
		"fewer entries":            {func(n *uint16, _, _ *uint32) { *n-- }, nil, ReasonBad},
		"more than 1000 entries":   {func(n *uint16, _, _ *uint32) { *n = 1001 }, nil, ReasonBad},
		"smaller":                  {func(_ *uint16, n, _ *uint32) { *n-- }, nil, ReasonBad},
		"elsewhere":                {func(_ *uint16, _, n *uint32) { *n-- }, nil, ReasonBad},
		"nowhere":                  {unsaid, nil, ReasonBad},
		"other wide entries":       {nil, func(n, _, _ *uint64) { *n++ }, ReasonBad},
		"other wide size":          {nil, func(_, n, _ *uint64) { *n++ }, ReasonBad},
		"other wide offset":        {nil, func(_, _, n *uint64) { *n++ }, ReasonBad},
		"wide offset out of range": {unsaid, func(_, _, n *uint64) { *n = 1 << 63 }, ReasonBad},
	} {
		t.Run(name, func(t *testing.T) {
			a := &zipArchive{t: t, end: tt.end, wideEnd: tt.wideEnd}
			a.add(plateEntry())
			check(t, a.close(), tt.reason)
		})
	}
}

func TestWideRecordAndItsLocator(t *testing.T) {
	a := &zipArchive{t: t, wideEnd: func(*uint64, *uint64, *uint64) {}}
	a.add(plateEntry())
	archive := a.close()
	record := bytes.Index(archive, []byte("PK\x06\x06"))
	for name, at := range map[string]int{"its size": 4, "locator's signature": 58, "locator's offset": 64} {
		bad := bytes.Clone(archive)
		bad[record+at]++
		t.Run(name, func(t *testing.T) {
			if _, _, err := scan(bytes.NewReader(bad), 1<<20); reasonOf(err) != ReasonBad {
				t.Errorf("scanning: %v", err)
			}
		})
	}
}

func TestTooManyEntries(t *testing.T) {
	entries := []zipEntry{plateEntry()}
	for i := range maxEntries - 1 {
		entries = append(entries, zipEntry{name: fmt.Sprint(i)})
	}
	check(t, buildZip(t, entries...), "")
	check(t, buildZip(t, append(entries, zipEntry{name: "one more"})...), ReasonBad)
}

func TestRewriteDoesNotReadAnEndlessDirectory(t *testing.T) {
	a := &zipArchive{t: t}
	a.add(plateEntry())
	record := bytes.Clone(a.central.Bytes())
	for range 100_000 {
		a.central.Write(record)
	}
	archive := a.close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Rewrite(bytes.NewReader(archive), int64(len(archive)), io.Discard, identity)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; reasonOf(err) != ReasonBad || used > 1<<20 {
		t.Errorf("%v after using %d bytes of memory", err, used)
	}
}

func TestBombs(t *testing.T) {
	zeros := strings.Repeat("0", 4<<20)
	steep := zipEntry{name: "Metadata/plate_1.gcode", data: zeros, deflate: true}
	check(t, buildZip(t, steep), ReasonInflateLimit)
	steep.behind = true
	check(t, buildZip(t, steep), ReasonInflateLimit)
	small := zipEntry{name: "Metadata/plate_1.gcode", data: zeros[:1<<19], deflate: true}
	check(t, buildZip(t, small), "") // as steep, but harmless
	large := buildZip(t, zipEntry{name: "Metadata/plate_1.gcode", data: zeros[:600_000]},
		zipEntry{name: "Metadata/plate_2.gcode", data: zeros[:600_000]})
	if _, _, err := scan(bytes.NewReader(large), 1<<20); reasonOf(err) != ReasonInflateLimit {
		t.Errorf("over the limit together: %v", err)
	}
	// Entries that nobody reads count as well while scanning.
	unread := buildZip(t, plateEntry(), zipEntry{name: "bomb.png", data: zeros, deflate: true})
	if _, _, err := scan(bytes.NewReader(unread), 1<<30); reasonOf(err) != ReasonInflateLimit {
		t.Errorf("a bomb beside the plate: %v", err)
	}
}

func TestMemoryDoesNotGrowWithTheArchive(t *testing.T) {
	use := func(size int, f func(archive []byte)) uint64 {
		var text strings.Builder
		for i := 0; text.Len() < size; i++ {
			fmt.Fprintf(&text, "G1 X%d Y%d E.%d\n", i*7919%100_003, i*104_729%99_991, i*1_299_709%90_001)
		}
		archive := buildZip(t, zipEntry{name: "Metadata/plate_1.gcode", data: text.String(), deflate: true, behind: true})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f(archive)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	for how, f := range map[string]func([]byte){
		"scanning": func(archive []byte) {
			_, err := Scan(bytes.NewReader(archive), 1<<30, func(_ string, r io.Reader) error {
				_, err := io.Copy(io.Discard, r)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		},
		"rewriting": func(archive []byte) {
			if _, err := Rewrite(bytes.NewReader(archive), int64(len(archive)), io.Discard, identity); err != nil {
				t.Error(err)
			}
		},
	} {
		small, big := use(200_000, f), use(4_000_000, f)
		if big > 2*small || big > 2<<20 {
			t.Errorf("%s 200 KB takes %d bytes of memory, 4 MB take %d", how, small, big)
		}
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(buildZip(f, project()...))
	f.Add(buildZip(f, plateEntry(), zipEntry{name: "Metadata/plate_2.gcode", data: "PK\x07\x08", behind: true}))
	a := &zipArchive{t: f, wideEnd: func(*uint64, *uint64, *uint64) {}, comment: "c"}
	a.add(plateEntry())
	f.Add(a.close())
	f.Fuzz(func(t *testing.T, archive []byte) {
		const maxText = 1 << 20
		_, texts, scanErr := scan(bytes.NewReader(archive), maxText)
		if scanErr != nil && reasonOf(scanErr) == "" {
			t.Fatalf("scanning: an error without a reason: %v", scanErr)
		}
		if len(texts) > 2*maxText {
			t.Fatalf("%d bytes of text, over the limit", len(texts))
		}
		var out bytes.Buffer
		_, err := Rewrite(bytes.NewReader(archive), int64(len(archive)), &out, identity)
		if err != nil && reasonOf(err) == "" {
			t.Fatalf("rewriting: an error without a reason: %v", err)
		}
		if scanErr != nil {
			return
		}
		// What may pass can be rewritten, and the result may pass as well.
		if err != nil {
			t.Fatalf("scanned but not rewritten: %v", err)
		}
		if _, again, err := scan(&out, maxText); err != nil || again != texts {
			t.Fatalf("rewriting changed %q into %q, %v", texts, again, err)
		}
	})
}
