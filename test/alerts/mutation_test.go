package alerts_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mutation changes one thing about a rule.
type mutation struct {
	what    string
	changed rule
}

var (
	matchers    = regexp.MustCompile(`(!=|!~|=~|=)"((?:[^"\\]|\\.)*)"`)
	ranges      = regexp.MustCompile(`\[(\d+)([smhd])\]`)
	comparisons = regexp.MustCompile(` (>|<|==) `)
	operators   = regexp.MustCompile(`(?m)^\s*(and|unless)$`)
	// numbers are literals, not parts of names, durations or strings.
	numbers  = regexp.MustCompile(`(^|[ (,])(\d+(?:\.\d+)?)($|[\s,)])`)
	recorded = regexp.MustCompile(`(ratio_rate|increase)(\d+[mhd])`)
)

var opposite = map[string]string{">": "<", "<": ">", "==": "!=", "and": "unless", "unless": "and"}

// mutations are the changes to a rule that its tests must notice: another value for a label, a longer or shorter window
// or wait, another threshold, another comparison.
func mutations(r rule) []mutation {
	var all []mutation
	add := func(what, expr string) {
		changed := r
		changed.Expr = expr
		all = append(all, mutation{what, changed})
	}
	replace := func(pattern *regexp.Regexp, group int, with func(old []string) []string) {
		for _, at := range pattern.FindAllStringSubmatchIndex(r.Expr, -1) {
			var old []string
			for i := 0; i < len(at); i += 2 {
				old = append(old, r.Expr[at[i]:at[i+1]])
			}
			for _, fresh := range with(old) {
				before, after := r.Expr[:at[2*group]], r.Expr[at[2*group+1]:]
				add(fmt.Sprintf("%s at %d becomes %s", old[group], at[0], fresh), before+fresh+after)
			}
		}
	}
	replace(matchers, 2, func([]string) []string { return []string{"mutant"} })
	replace(ranges, 1, func(old []string) []string {
		n, _ := strconv.Atoi(old[1])
		if old[2] == "m" { // half of it may need seconds
			return []string{strconv.Itoa(2 * n), strconv.Itoa((n + 1) / 2)}
		}
		return []string{strconv.Itoa(2 * n)}
	})
	replace(comparisons, 1, func(old []string) []string { return []string{opposite[old[1]]} })
	replace(operators, 1, func(old []string) []string { return []string{opposite[old[1]]} })
	replace(numbers, 2, func(old []string) []string {
		n, _ := strconv.ParseFloat(old[2], 64)
		if n == 0 {
			return []string{"1"}
		}
		return []string{strconv.FormatFloat(1.5*n, 'g', -1, 64), strconv.FormatFloat(0.5*n, 'g', -1, 64)}
	})
	replace(recorded, 2, func([]string) []string { return []string{"99h"} })
	if r.For != "" {
		wait, _ := time.ParseDuration(r.For)
		for _, fresh := range []time.Duration{2 * wait, wait / 2} {
			changed := r
			changed.For = seconds(fresh)
			all = append(all, mutation{"for becomes " + changed.For, changed})
		}
	}
	return all
}

// survivors runs a rule's tests over each of its mutations, in a copy of the rules that the tests need.
func survivors(t *testing.T, rules []rule, at int, tests testFile) (survived []string, total int) {
	t.Helper()
	for _, m := range mutations(rules[at]) {
		changed := append([]rule{}, rules...)
		changed[at] = m.changed
		if out, passed := runTests(t, changed, tests); passed {
			survived = append(survived, m.what)
		} else if strings.Contains(out, "parse error") {
			t.Fatalf("mutation %q is no expression: %s", m.what, out)
		}
		total++
	}
	return survived, total
}

// TestMutationsAreNoticed changes each alert in every way that matters and demands that its tests fail. Of an
// objective's rules, which all come from one template, it takes one pair of windows.
func TestMutationsAreNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("runs promtool some hundred times")
	}
	plain := plainTests(t)
	objective := 0
	for _, g := range loadRules(t).Groups {
		rules, tests := g.Rules, func(r rule) testFile { return plain[r.Alert] }
		if isSLO(g) {
			b := burns[objective%len(burns)]
			objective++
			of := b.tests(t, g.Rules[len(g.Rules)-1].Alert, slos[g.Name])
			rules, tests = b.rulesFor(g), func(rule) testFile { return of }
		}
		for i, r := range rules {
			t.Run(g.Name+"/"+r.Alert+r.Record, func(t *testing.T) {
				t.Parallel()
				needed, at := rules, i
				if !isSLO(g) {
					needed, at = rules[i:i+1], 0
				}
				survived, total := survivors(t, needed, at, tests(r))
				t.Logf("%d mutations", total)
				for _, what := range survived {
					t.Errorf("no test notices when %s in\n%s", what, r.Expr)
				}
			})
		}
	}
}
