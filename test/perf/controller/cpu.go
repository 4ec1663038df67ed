package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cpuByProgram is the time in seconds that this program and each of its children have had, by name.
func cpuByProgram() map[string]float64 {
	self := os.Getpid()
	seconds := map[string]float64{}
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	for _, folder := range folders {
		stat, err := os.ReadFile(filepath.Join(folder, "stat"))
		if err != nil {
			continue // it has ended
		}
		pid, parent, name := identity(string(stat))
		if pid != self && parent != self {
			continue
		}
		if used, err := cpuSeconds(pid); err == nil {
			seconds[name] += used
		}
	}
	return seconds
}

// identity reads the first, fourth and second field of proc(5), stat.
func identity(stat string) (pid, parent int, name string) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	pid, _ = strconv.Atoi(strings.TrimSpace(stat[:open]))
	parent, _ = strconv.Atoi(strings.Fields(stat[end+1:])[1])
	return pid, parent, stat[open+1 : end]
}

// printCPU tells people where the time of a measurement went: which program had how much for each job.
func printCPU(what string, before map[string]float64, took time.Duration, jobs int) {
	parts := []string{}
	for name, seconds := range cpuByProgram() {
		parts = append(parts, fmt.Sprintf("%s %.1f", name, (seconds-before[name])*1000/float64(jobs)))
	}
	slices.Sort(parts)
	fmt.Fprintf(os.Stderr, "%s: %.1f ms per job; CPU ms per job: %s\n",
		what, took.Seconds()*1000/float64(jobs), strings.Join(parts, ", "))
}
