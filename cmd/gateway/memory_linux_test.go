package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestForgetUnchangedLosesNothing maps a file twice, writes to one of the mappings and makes both read-only, as a dynamic
// linker does with what it has relocated.
func TestForgetUnchangedLosesNothing(t *testing.T) {
	page := os.Getpagesize()
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, bytes.Repeat([]byte{'f'}, 4*page), 0o600); err != nil {
		t.Fatal(err)
	}
	unchanged, changed := mapFile(t, name, 0, 2*page), mapFile(t, name, int64(2*page), 2*page)
	changed[page] = 'w'
	for _, mapped := range [][]byte{unchanged, changed} {
		if mapped[0] != 'f' { // and the page is resident
			t.Fatalf("mapped %q", mapped[0])
		}
		if err := unix.Mprotect(mapped, unix.PROT_READ); err != nil {
			t.Fatal(err)
		}
	}
	if err := forgetUnchanged(name); err != nil {
		t.Fatal(err)
	}
	if resident(t, unchanged) {
		t.Error("a mapping that is as the file is was not given back")
	}
	if changed[page] != 'w' {
		t.Errorf("what was written is %q now", changed[page])
	}
	if unchanged[0] != 'f' {
		t.Errorf("read again from the file: %q", unchanged[0])
	}
}

func TestUnchangedMappings(t *testing.T) {
	const counts = "Rss: 8 kB\nAnonymous: %s kB\nSwap: %s kB\nVmFlags: rd mr mw me sd\n"
	smaps := ""
	for _, m := range []struct{ line, anonymous, swap string }{
		{"1000-2000 r-xp 00000000 fe:00 7   /gateway", "0", "0"},
		{"2000-3000 r--p 00001000 fe:00 7   /gateway", "0", "0"},
		{"3000-4000 r--p 00002000 fe:00 7   /gateway", "4", "0"},
		{"4000-5000 r--p 00003000 fe:00 7   /gateway", "0", "4"},
		{"5000-6000 rw-p 00004000 fe:00 7   /gateway", "0", "0"},
		{"6000-7000 r--s 00005000 fe:00 7   /gateway", "0", "0"},
		{"7000-8000 r--p 00000000 fe:00 9   /lib/libc.so", "0", "0"},
		{"8000-9000 r--p 00000000 00:00 0", "0", "0"},
	} {
		smaps += m.line + "\n" + fmt.Sprintf(counts, m.anonymous, m.swap)
	}
	got, err := unchangedMappings(strings.NewReader(smaps), "/gateway")
	if want := []mapping{{0x1000, 0x2000}, {0x2000, 0x3000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %x, %v; want %x", got, err, want)
	}
}

func mapFile(t *testing.T, name string, offset int64, length int) []byte {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	mapped, err := unix.Mmap(int(file.Fd()), offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mapped) })
	return mapped
}

// resident tells whether the first page is mapped in this process; mincore would tell whether it is in the page cache.
func resident(t *testing.T, mapped []byte) bool {
	t.Helper()
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pagemap.Close() }()
	var entry [8]byte
	at := int64(uintptr(unsafe.Pointer(&mapped[0]))) / int64(os.Getpagesize()) * int64(len(entry))
	if _, err := pagemap.ReadAt(entry[:], at); err != nil {
		t.Fatal(err)
	}
	return entry[7]&0x80 != 0
}
