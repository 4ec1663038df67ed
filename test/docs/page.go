// Package docs runs the commands that stand in the documentation.
package docs

import (
	"fmt"
	"regexp"
	"strings"
)

// Page is what a reader of a Markdown page would do, in order.
type Page struct {
	Steps []Step
}

// Step is a block of commands, or a file to write.
type Step struct {
	Line     int    // where the block begins
	Commands string // for a shell; empty: a file
	File     string // its name
	Content  string
	NotRun   string // why the commands are not run
}

var (
	fence   = regexp.MustCompile("^(```+)([a-z]*)$")
	comment = regexp.MustCompile(`^<!-- (file|not run): (.+) -->$`)
)

// Parse reads the blocks of a page. A block of sh or console is run; a comment before a block says otherwise
// ("<!-- not run: why -->"), or that it is the content of a file ("<!-- file: name -->").
func Parse(markdown string) (*Page, error) {
	page := &Page{}
	lines := strings.Split(markdown, "\n")
	var said []string // the comment before a block
	for i := 0; i < len(lines); i++ {
		if found := comment.FindStringSubmatch(lines[i]); found != nil {
			said = found[1:]
			continue
		}
		opening := fence.FindStringSubmatch(lines[i])
		if opening == nil {
			if said != nil {
				return nil, fmt.Errorf("line %d: no block follows the comment %q", i, said)
			}
			continue
		}
		begin := i + 1
		for i++; i < len(lines) && lines[i] != opening[1]; i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("line %d: the block has no end", begin)
		}
		step, ok, err := stepOf(opening[2], said, lines[begin:i])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", begin, err)
		}
		if step.Line = begin; ok {
			page.Steps = append(page.Steps, step)
		}
		said = nil
	}
	return page, nil
}

func stepOf(language string, said, block []string) (step Step, ok bool, err error) {
	if said != nil && said[0] == "file" {
		return Step{File: said[1], Content: strings.Join(block, "\n") + "\n"}, true, nil
	}
	if said != nil {
		step.NotRun = said[1]
	}
	switch language {
	case "sh":
		step.Commands = strings.Join(block, "\n") + "\n"
	case "console":
		step.Commands = typed(block)
		if step.Commands == "" {
			return step, false, fmt.Errorf("a console block without a line that begins with $")
		}
	default:
		if said != nil {
			return step, false, fmt.Errorf("a block of %q is never run", language)
		}
		return step, false, nil
	}
	return step, true, nil
}

// typed is what somebody typed in a terminal session.
func typed(session []string) string {
	var out strings.Builder
	more := false
	for _, line := range session {
		command, prompt := strings.CutPrefix(line, "$ ")
		if !prompt && !more {
			continue
		}
		out.WriteString(command + "\n")
		more = strings.HasSuffix(command, "\\")
	}
	return out.String()
}

// Script is the page as one shell script, which stops at the first command that fails and says before each block where
// it stands.
func (p *Page) Script(name string) string {
	var out strings.Builder
	out.WriteString("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n")
	for _, step := range p.Steps {
		text := step.Commands
		switch {
		case step.NotRun != "":
			fmt.Fprintf(&out, "echo %s\n", quote(fmt.Sprintf("== %s:%d is not run: %s", name, step.Line, step.NotRun)))
		case step.File != "":
			fmt.Fprintf(&out, "printf %%s %s >%s\n", quote(step.Content), quote(step.File))
		default:
			fmt.Fprintf(&out, "printf '%%s\\n' %s\n%s", quote(fmt.Sprintf("== %s:%d\n$ %s", name, step.Line,
				strings.TrimSuffix(text, "\n"))), text)
		}
	}
	return out.String()
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
