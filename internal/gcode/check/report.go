package check

import (
	"fmt"
	"strings"
)

// Report says of each invariant how often it was checked and violated.
type Report struct {
	Results []Result `json:"results"`
	index   map[string]int
}

// Result is what was found about one invariant.
type Result struct {
	ID         string    `json:"id"`
	Text       string    `json:"text"`
	Checked    int       `json:"checked"`
	Violations int       `json:"violations"`
	Measured   string    `json:"measured,omitempty"` // the figure behind it, where there is one
	Examples   []Example `json:"examples,omitempty"` // the first few violations
}

// Example is one violation. A line number of 0 means that there is no such line.
type Example struct {
	In      int    `json:"in,omitempty"`
	Out     int    `json:"out,omitempty"`
	Message string `json:"message"`
}

const maxExamples = 5

var invariants = [][2]string{
	{"I1", "the visible wall is laid exactly as sliced: XY, Z, E and F"},
	{"I2", "the same beads of the same features, none lost and none added"},
	{"I3", "beads in the order of the input, or permuted only inside a contour"},
	{"I4", "first layers, layers before the start and ignored layers are the same bytes"},
	{"I5", "inner loops stand 0, h/4 or h/2 above their plane, all else at it"},
	{"I6", "nothing is lower than sliced"},
	{"I7", "a loop is raised as a whole, and only loops behind the visible wall are"},
	{"I8", "no loop is raised by more than half its layer or half the nozzle"},
	{"I9", "each bead gets the filament that its space takes"},
	{"I10", "filament by feature adds up"},
	{"I11", "retractions and primes are those of the input, or balance as there"},
	{"I12", "every bead begins with the filament as far back as in the input"},
	{"I13", "absolute E never runs backwards in a bead; G92 lines in place"},
	{"I14", "all other commands, in the same order"},
	{"I15", "lines are added only for the header and where no travel can carry a height"},
	{"I16", "each raised loop is stamped once, each return at most once"},
	{"I17", "travel is not longer than allowed"},
	{"I18", "a loop is raised on all layers of its column or on none"},
	{"I19", "neighbouring loops are not both raised, nor both flat without a reason"},
	{"I20", "nothing is laid over a raised bead: columns are capped where they end"},
	{"I21", "the nozzle does not pass beside a higher bead along the visible wall"},
	{"I23", "a print without inner walls comes out as it was"},
	{"I24", "only digits of E and Z and stamps differ, lines stay short"},
	{"I25", "numbers are printed plainly, with no more decimals than printers read"},
	{"I26", "no bead shrinks to a blob in one place"},
	{"I27", "a container holds the same blocks or entries, with right checksums"},
}

func newReport() *Report {
	r := &Report{index: map[string]int{}}
	for i, v := range invariants {
		r.index[v[0]] = i
		r.Results = append(r.Results, Result{ID: v[0], Text: v[1]})
	}
	return r
}

// Get returns what was found about an invariant, such as "I5".
func (r *Report) Get(id string) Result { return r.Results[r.index[id]] }

// Violations counts them all.
func (r *Report) Violations() int {
	n := 0
	for i := range r.Results {
		n += r.Results[i].Violations
	}
	return n
}

func (r *Report) checked(id string, n int) { r.Results[r.index[id]].Checked += n }

func (r *Report) measured(id, format string, args ...any) {
	r.Results[r.index[id]].Measured = fmt.Sprintf(format, args...)
}

func (r *Report) add(id string, in, out int, format string, args ...any) {
	v := &r.Results[r.index[id]]
	v.Violations++
	if len(v.Examples) < maxExamples {
		v.Examples = append(v.Examples, Example{in, out, fmt.Sprintf(format, args...)})
	}
}

// String is the report for people, violations with their examples.
func (r *Report) String() string {
	var b strings.Builder
	for _, v := range r.Results {
		state := "ok"
		switch {
		case v.Violations > 0:
			state = fmt.Sprintf("%d VIOLATIONS", v.Violations)
		case v.Checked == 0:
			state = "not checked"
		}
		fmt.Fprintf(&b, "%-4s %-14s %s", v.ID, state, v.Text)
		if v.Measured != "" {
			fmt.Fprintf(&b, " (%s)", v.Measured)
		}
		b.WriteByte('\n')
		for _, e := range v.Examples {
			fmt.Fprintf(&b, "       input line %d, output line %d: %s\n", e.In, e.Out, e.Message)
		}
	}
	return b.String()
}
