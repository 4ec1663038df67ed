package rights

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Exemption is a right that may stay although nothing in a test run asks for it.
type Exemption struct {
	Account, Resource, Verb string // the account's name
	Reason                  string
}

// Comparison is what rights were used for, and what was asked for without one.
type Comparison struct {
	rows   []row
	Denied []Request
}

type row struct {
	right  Right
	used   int
	reason string // why it may be unused
}

// Compare counts for each right the requests it allowed.
func Compare(rights []Right, requests []Request, exemptions []Exemption) Comparison {
	c := Comparison{rows: make([]row, len(rights))}
	accounts := map[Account]bool{}
	for i, right := range rights {
		c.rows[i].right = right
		accounts[right.Account] = true
	}
	for _, request := range requests {
		if !accounts[request.Account] {
			continue
		}
		if request.Denied {
			c.Denied = append(c.Denied, request)
		}
		for i := range c.rows {
			if c.rows[i].right.allows(request) {
				c.rows[i].used++
				break
			}
		}
	}
	for i := range c.rows {
		c.rows[i].reason = c.excuse(c.rows[i].right, exemptions)
	}
	return c
}

func (r Right) allows(q Request) bool {
	return r.Account == q.Account && (r.Namespace == "" || r.Namespace == q.Namespace) && r.Group == q.Group &&
		r.Resource == q.Resource && r.Verb == q.Verb && (r.Name == "" || r.Name == q.Name)
}

// excuse says why a right may stay unused. A watch needs list as well: a client falls back to it where the API server
// does not send the first state in the watch itself.
func (c *Comparison) excuse(right Right, exemptions []Exemption) string {
	if right.Verb == "list" {
		watch := right
		watch.Verb = "watch"
		for _, other := range c.rows {
			watch.Role = other.right.Role
			if other.right == watch && other.used > 0 {
				return "the watch falls back to it on older API servers"
			}
		}
	}
	for _, e := range exemptions {
		if e.Account == right.Account.Name && e.Resource == right.Resource && e.Verb == right.Verb {
			return e.Reason
		}
	}
	return ""
}

// Unused lists the rights that nothing asked for and no exemption keeps.
func (c *Comparison) Unused() []Right {
	var unused []Right
	for _, row := range c.rows {
		if row.used == 0 && row.reason == "" {
			unused = append(unused, row.right)
		}
	}
	return unused
}

// String is a table of what each account may do and how often it did.
func (c *Comparison) String() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACCOUNT\tWHERE\tRESOURCE\tVERB\tUSED")
	for _, row := range c.rows {
		where := row.right.Namespace
		if where == "" {
			where = "everywhere"
		}
		used := fmt.Sprint(row.used)
		if row.used == 0 {
			used = "never: " + row.reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", row.right.Account.Name, where, row.right.what(), row.right.Verb, used)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return out.String()
}

func (r Right) what() string {
	what := r.Resource
	if r.Group != "" {
		what += "." + r.Group
	}
	if r.Name != "" {
		what += " " + r.Name
	}
	return what
}

// String names the right as a reviewer would.
func (r Right) String() string {
	where := "everywhere"
	if r.Namespace != "" {
		where = "in " + r.Namespace
	}
	return fmt.Sprintf("%s %s %s (%s, role %s)", r.Account.Name, r.Verb, r.what(), where, r.Role)
}
