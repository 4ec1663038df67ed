package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// processor is what the gateway says of a Processor.
type processor struct {
	Name        string   `json:"name"`
	Default     bool     `json:"default"`
	Description string   `json:"description"`
	Formats     []string `json:"formats"`
	MaxSize     int64    `json:"max_size"`
	Parameters  []struct {
		Name        string   `json:"name"`
		Type        string   `json:"type"`
		Description string   `json:"description"`
		Default     *string  `json:"default"`
		Minimum     string   `json:"minimum"`
		Maximum     string   `json:"maximum"`
		Values      []string `json:"values"`
		Pattern     string   `json:"pattern"`
	} `json:"parameters"`
}

func (a *app) processors() *cobra.Command {
	cmd := &cobra.Command{
		Use: "processors", Short: "List what files can be sent to, with the parameters", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *client) error {
				if a.asJSON() {
					var all json.RawMessage
					if err := c.getJSON(ctx, "/api/v1/processors", nil, &all); err != nil {
						return err
					}
					_, err := fmt.Fprintf(a.Out, "%s\n", all)
					return err
				}
				found, err := c.processors(ctx)
				if err != nil {
					return err
				}
				return describeProcessors(a.Out, found)
			})
		},
	}
	a.outputFlag(cmd)
	return cmd
}

func (c *client) processors(ctx context.Context) ([]processor, error) {
	var answer struct {
		Processors []processor `json:"processors"`
	}
	err := c.getJSON(ctx, "/api/v1/processors", nil, &answer)
	return answer.Processors, err
}

func describeProcessors(w io.Writer, all []processor) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, p := range all {
		if i > 0 {
			fmt.Fprintln(t)
		}
		name := p.Name
		if p.Default {
			name += " (default)"
		}
		takes := "any file"
		if len(p.Formats) > 0 {
			takes = "." + strings.Join(p.Formats, ", .")
		}
		fmt.Fprintf(t, "%s: %s\n  takes %s, up to %s\n", name, p.Description, takes, bytesText(p.MaxSize))
		for _, q := range p.Parameters {
			standard := "must be set"
			if q.Default != nil {
				standard = "default " + *q.Default
			}
			fmt.Fprintf(t, "  --set %s=%s\t%s\t%s\n", q.Name, domain(q.Type, q.Minimum, q.Maximum, q.Values), standard, q.Description)
		}
	}
	return t.Flush()
}

// domain is which values a parameter takes.
func domain(kind, minimum, maximum string, values []string) string {
	switch {
	case len(values) > 0:
		return strings.Join(values, "|")
	case kind == "Boolean":
		return "true|false"
	case minimum != "" || maximum != "":
		return minimum + ".." + maximum
	}
	return strings.ToUpper(kind)
}

// completionTimeout is how long a shell may be kept waiting.
const completionTimeout = 3 * time.Second

func (a *app) completeProcessors(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	a.whileCompleting(cmd, func(all []processor) {
		for _, p := range all {
			names = append(names, p.Name+"\t"+p.Description)
		}
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeParameters offers the parameters of the processor that is chosen, and behind the = their values.
func (a *app) completeParameters(cmd *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
	chosen, _ := cmd.Flags().GetString("processor")
	var offers []string
	a.whileCompleting(cmd, func(all []processor) {
		for _, p := range all {
			if p.Name != chosen && (chosen != "" || !p.Default) {
				continue
			}
			for _, q := range p.Parameters {
				if strings.HasPrefix(text, q.Name+"=") {
					for _, v := range q.Values {
						offers = append(offers, q.Name+"="+v)
					}
				} else {
					offers = append(offers, q.Name+"=\t"+q.Description)
				}
			}
		}
	})
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// whileCompleting asks for the processors; there are no offers where the gateway cannot be reached.
func (a *app) whileCompleting(cmd *cobra.Command, use func([]processor)) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	_ = a.with(ctx, func(ctx context.Context, c *client) error {
		all, err := c.processors(ctx)
		use(all)
		return err
	})
}
