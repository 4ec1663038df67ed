// Package parameters checks the values that a job sets against what its Processor declares, and fills in the rest. The
// gateway does it before it takes an upload, the manager before it starts a job that was created without the gateway.
package parameters

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// Value is one parameter as the processor sees it.
type Value struct {
	Name  string // as declared: startLayer
	Env   string // environment variable: PARAM_START_LAYER
	Value string // as given, or the Processor's default
}

// Problem is what is wrong with one parameter, and how to mend it.
type Problem struct {
	Parameter string `json:"parameter"`
	Message   string `json:"message"`
}

// InvalidError lists everything that is wrong, so that it can be mended at once.
type InvalidError struct {
	Problems []Problem
}

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = fmt.Sprintf("parameter %q %s", p.Parameter, p.Message)
	}
	return strings.Join(parts, "; ")
}

// maxLength of a value in characters, as the CRD of ProcessingJob has it.
const maxLength = 1024

// maxNumberLength of a number's text, as the CRD has it for bounds.
const maxNumberLength = 32

var (
	decimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	integer = regexp.MustCompile(`^-?[0-9]+$`)
)

// Resolve returns a value for every parameter that processor declares, in the order declared: the one given, or the
// default. The error is an *InvalidError.
func Resolve(processor *v1alpha1.Processor, given map[string]string) ([]Value, error) {
	declared := processor.Spec.Parameters
	values := make([]Value, 0, len(declared))
	problems := unknown(processor, given)
	for i := range declared {
		p := &declared[i]
		text, set := given[p.Name]
		switch {
		case set:
			if message := check(p, text); message != "" {
				problems = append(problems, Problem{p.Name, message})
			}
		case p.Default == nil:
			problems = append(problems, Problem{p.Name, "must be set: processor " + strconv.Quote(processor.Name) +
				" has no default for it; it takes " + expects(p)})
		default:
			text = *p.Default
			if message := check(p, text); message != "" {
				problems = append(problems, Problem{p.Name, "is not set and its default in processor " +
					strconv.Quote(processor.Name) + " cannot be used, it " + message + "; set it, or mend the processor"})
			}
		}
		values = append(values, Value{Name: p.Name, Env: envName(p.Name), Value: text})
	}
	if len(problems) > 0 {
		return nil, &InvalidError{problems}
	}
	return values, nil
}

// Check is Resolve for parameters of which more may follow: one that is not set yet is no error.
func Check(processor *v1alpha1.Processor, given map[string]string) error {
	problems := unknown(processor, given)
	for i := range processor.Spec.Parameters {
		p := &processor.Spec.Parameters[i]
		if text, set := given[p.Name]; set {
			if message := check(p, text); message != "" {
				problems = append(problems, Problem{p.Name, message})
			}
		}
	}
	if len(problems) > 0 {
		return &InvalidError{problems}
	}
	return nil
}

func unknown(processor *v1alpha1.Processor, given map[string]string) []Problem {
	var known []string
	for _, p := range processor.Spec.Parameters {
		known = append(known, p.Name)
	}
	slices.Sort(known)
	hint := "it has none"
	if len(known) > 0 {
		hint = "it has " + strings.Join(known, ", ")
	}
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, name) {
			problems = append(problems, Problem{name, fmt.Sprintf("is not one of processor %q: %s", processor.Name, hint)})
		}
	}
	return problems
}

// check returns what is wrong with text, or "".
func check(p *v1alpha1.Parameter, text string) string {
	if n := utf8.RuneCountInString(text); n > maxLength {
		return fmt.Sprintf("has %d characters; %d are allowed", n, maxLength)
	}
	// An environment variable cannot hold NUL, and the API server stores UTF-8 only.
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fmt.Sprintf("is %q; it must be UTF-8 text without NUL characters", text)
	}
	switch p.Type {
	case v1alpha1.ParameterNumber:
		return checkNumber(p, text, decimal)
	case v1alpha1.ParameterInteger:
		return checkNumber(p, text, integer)
	case v1alpha1.ParameterBoolean:
		if text != "true" && text != "false" {
			return fmt.Sprintf("is %q; it must be %s", text, expects(p))
		}
	case v1alpha1.ParameterEnum:
		if !slices.Contains(p.Values, text) {
			return fmt.Sprintf("is %q; it must be %s", text, expects(p))
		}
	case v1alpha1.ParameterString:
		return checkPattern(p, text)
	default:
		return fmt.Sprintf("has type %q, which this version does not know", p.Type)
	}
	return ""
}

// checkNumber compares as exact decimals: 1.5 is not above a maximum of 1.50, and nothing is rounded.
func checkNumber(p *v1alpha1.Parameter, text string, form *regexp.Regexp) string {
	value, ok := parse(text, form)
	if !ok {
		return fmt.Sprintf("is %q; it must be %s", text, expects(p))
	}
	for _, bound := range []struct {
		limit *v1alpha1.Number
		wrong int // what Cmp says of a value beyond the limit
	}{{p.Minimum, -1}, {p.Maximum, +1}} {
		if bound.limit == nil {
			continue
		}
		limit, ok := parse(string(*bound.limit), decimal)
		if !ok {
			return fmt.Sprintf("has the bound %q in the processor, which is not a number", *bound.limit)
		}
		if value.Cmp(limit) == bound.wrong {
			return fmt.Sprintf("is %s; it must be %s", text, expects(p))
		}
	}
	return ""
}

// parse reads a number of bounded length: big.Rat also takes exponents, of any size, which form keeps out.
func parse(text string, form *regexp.Regexp) (*big.Rat, bool) {
	if len(text) > maxNumberLength || !form.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

func checkPattern(p *v1alpha1.Parameter, text string) string {
	if p.Pattern == "" {
		return ""
	}
	pattern, err := regexp.Compile(`^(?:` + p.Pattern + `)$`)
	if err != nil {
		return fmt.Sprintf("has the pattern %q in the processor, which is not a regular expression: %v", p.Pattern, err)
	}
	if !pattern.MatchString(text) {
		return fmt.Sprintf("is %q; it must be %s", text, expects(p))
	}
	return ""
}

// expects says in words what the parameter takes.
func expects(p *v1alpha1.Parameter) string {
	switch p.Type {
	case v1alpha1.ParameterNumber:
		return "a decimal number such as 1.05" + bounds(p)
	case v1alpha1.ParameterInteger:
		return "a whole number" + bounds(p)
	case v1alpha1.ParameterBoolean:
		return "true or false"
	case v1alpha1.ParameterEnum:
		return "one of " + strings.Join(p.Values, ", ")
	}
	if p.Pattern != "" {
		return "text that matches " + p.Pattern
	}
	return "text"
}

func bounds(p *v1alpha1.Parameter) string {
	switch {
	case p.Minimum != nil && p.Maximum != nil:
		return fmt.Sprintf(" from %s to %s", *p.Minimum, *p.Maximum)
	case p.Minimum != nil:
		return fmt.Sprintf(" of at least %s", *p.Minimum)
	case p.Maximum != nil:
		return fmt.Sprintf(" of at most %s", *p.Maximum)
	}
	return ""
}

// envName turns startLayer into PARAM_START_LAYER. Names have no underscore, so no two of them meet.
func envName(name string) string {
	var b strings.Builder
	b.WriteString("PARAM_")
	for i, c := range name {
		if i > 0 && unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(c))
	}
	return b.String()
}
