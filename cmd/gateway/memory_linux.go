package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetStart gives back the pages of the program's own file that only its start has used. Dozens of packages register
// types, metrics and protocol buffers when the program begins, all over a file of 60 MB; the kernel maps what is around
// each place as well, and would keep two thirds of the file resident for good. What is needed again is mapped again, from
// the page cache.
//
// MADV_DONTNEED is only harmless where a mapping holds nothing but what is in the file: it would also drop pages that were
// written to, such as those of a section that a linker has relocated and then made read-only. So only mappings are given
// back that cannot be written to and of which the kernel counts no page as changed (Anonymous and Swap of
// proc_pid_smaps(5)).
// MADV_PAGEOUT would spare changed pages by itself, but works on a file only for its owner, and an image's files are root's.
func forgetStart() error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	return forgetUnchanged(self)
}

// forgetUnchanged gives back the resident pages of a file's mappings that are as the file is.
func forgetUnchanged(file string) error {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer func() { _ = smaps.Close() }() // it was only read
	unchanged, err := unchangedMappings(smaps, file)
	if err != nil {
		return fmt.Errorf("read /proc/self/smaps: %w", err)
	}
	for _, m := range unchanged {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give back the program's pages: %w", errno)
		}
	}
	return nil
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// unchangedMappings are those of a file that nobody can write to and nobody has written to.
func unchangedMappings(smaps io.Reader, file string) (unchanged []mapping, err error) {
	var current mapping
	candidate, zeros := false, 0
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		field, rest, _ := strings.Cut(lines.Text(), " ")
		if !strings.HasSuffix(field, ":") { // the first line of a mapping: addresses, mode, offset, device, inode, file
			mode, _, _ := strings.Cut(rest, " ")
			candidate, zeros = (mode == "r--p" || mode == "r-xp") && strings.HasSuffix(rest, " "+file), 0
			if _, err := fmt.Sscanf(field, "%x-%x", &current.from, &current.to); err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			continue
		}
		// A changed page counts as the one, or as the other when it is swapped out.
		if (field == "Anonymous:" || field == "Swap:") && strings.Join(strings.Fields(rest), " ") == "0 kB" {
			if zeros++; zeros == 2 && candidate {
				unchanged = append(unchanged, current)
			}
		}
	}
	return unchanged, lines.Err()
}
