package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
)

// What became of the input.
const (
	outcomeBricked = "bricked"
	outcomeNoop    = "noop"    // the output is the input
	outcomeRefused = "refused" // no output, the input is at fault
	outcomeFailed  = "failed"  // no output, something else is
)

// report is what is told about a run.
type report struct {
	Input    string         `json:"input,omitempty"`
	Output   string         `json:"output,omitempty"`
	Format   string         `json:"format,omitempty"`
	Outcome  string         `json:"outcome"`
	Reason   string         `json:"reason,omitempty"`
	Detail   string         `json:"detail,omitempty"`
	Warnings []brick.Reason `json:"warnings,omitempty"`
	Stats    *brick.Stats   `json:"stats,omitempty"`
	Plates   []plate        `json:"plates,omitempty"`

	digestAt int64 // see brick.Result
}

// plate is what is told about one plate of an archive.
type plate struct {
	Name string `json:"name"`
	report
}

func (r *report) take(res *brick.Result) {
	r.Outcome, r.Reason, r.Detail = outcomeBricked, string(res.Reason), res.Detail
	if res.Reason != "" {
		r.Outcome = outcomeNoop
	}
	r.Warnings, r.Stats, r.digestAt = res.Warnings, &res.Stats, res.DigestAt
}

// addPlate adds what became of a plate. The archive counts as bricked when one of its plates is.
func (r *report) addPlate(name string, p *report) {
	r.Plates = append(r.Plates, plate{name, *p})
	if r.Stats == nil {
		r.Stats = &brick.Stats{}
		r.Outcome, r.Reason, r.Detail = p.Outcome, p.Reason, p.Detail
	}
	if p.Outcome == outcomeBricked {
		r.Outcome, r.Reason, r.Detail = outcomeBricked, "", ""
	}
	r.Stats.Add(p.Stats)
	for _, w := range p.Warnings {
		if !slices.Contains(r.Warnings, w) {
			r.Warnings = append(r.Warnings, w)
		}
	}
}

// write tells what was done: to people on stderr, to programs on stdout and in the summary file.
func (r *report) write(c *command, stdout, stderr io.Writer) error {
	fmt.Fprintln(stderr, r.text())
	if c.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("write statistics: %w", err)
		}
	}
	return r.writeSummary(c)
}

// writeSummary writes the report without its maps to the summary file. That may be a container's termination log,
// which holds 4 KB and cannot be replaced, so it is small and written in place.
func (r *report) writeSummary(c *command) error {
	if c.summary == "" {
		return nil
	}
	type brief struct {
		Outcome  string         `json:"outcome"`
		Reason   string         `json:"reason,omitempty"`
		Detail   string         `json:"detail,omitempty"`
		Warnings []brick.Reason `json:"warnings,omitempty"`
		Slicer   string         `json:"slicer,omitempty"`
		Layers   int            `json:"layers"`
		Loops    int            `json:"loops"`
		Raised   int            `json:"raised"`
		Capped   int            `json:"capped"`
	}
	b := brief{Outcome: r.Outcome, Reason: r.Reason, Detail: r.Detail[:min(len(r.Detail), 512)], Warnings: r.Warnings}
	if s := r.Stats; s != nil {
		b.Slicer, b.Layers, b.Loops, b.Raised, b.Capped = s.Slicer[:min(len(s.Slicer), 64)], s.Layers, s.Loops, s.Raised, s.Capped
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // six bytes for each < would be too many
	if err := enc.Encode(b); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return os.WriteFile(c.summary, text.Bytes(), 0o644)
}

func (r *report) text() string {
	var b strings.Builder
	s := r.Stats
	if r.Outcome == outcomeNoop {
		fmt.Fprintf(&b, "brick: %s: %s; the output is the input", r.Reason, r.Detail)
	} else {
		fmt.Fprintf(&b, "brick: %d of %d inner loops raised on %d layers", s.Raised, s.Loops, s.Layers)
		var reasons []string
		for reason, n := range s.Held {
			reasons = append(reasons, fmt.Sprintf("%d %s", n, reason))
		}
		slices.Sort(reasons)
		if len(reasons) > 0 {
			fmt.Fprintf(&b, "; laid flat: %s", strings.Join(reasons, ", "))
		}
		fmt.Fprintf(&b, "; %d lines edited, %d added", s.LinesEdited, s.LinesAdded)
	}
	if s.Slicer != "" {
		fmt.Fprintf(&b, " (%s)", s.Slicer)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "\nbrick: warning: %s", w)
	}
	return b.String()
}
