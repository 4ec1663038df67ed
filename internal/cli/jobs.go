package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// with runs a command with a client.
func (a *app) with(ctx context.Context, run func(context.Context, *client) error) error {
	c, stop, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return run(ctx, c)
}

func (a *app) status() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "status JOB", Short: "Say what became of a job",
		Long: `Say what became of a job. With --wait the command ends with the job, and its exit code is the job's: 0 Completed,
5 Error, 6 Timeout.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *client) error { return a.showStatus(ctx, c, args[0], watch) })
		},
	}
	a.outputFlag(cmd)
	cmd.Flags().BoolVarP(&watch, "wait", "w", false, "wait until the job has ended")
	return cmd
}

func (a *app) showStatus(ctx context.Context, c *client, id string, watch bool) error {
	j, err := c.status(ctx, id, "", 0)
	if err == nil && watch {
		last := ""
		j, err = c.follow(ctx, id, func(j *job) {
			if now := standing(j); now != last {
				last = now
				fmt.Fprintln(a.Err, now)
			}
		})
	}
	if err != nil {
		return err
	}
	if a.asJSON() {
		_, err = fmt.Fprintf(a.Out, "%s\n", j.raw)
	} else {
		err = describe(a.Out, j)
	}
	if watch {
		err = errors.Join(err, j.err())
	}
	return err
}

// describe writes what is known of a job for people.
func describe(w io.Writer, j *job) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s:\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("Job", "%s", j.ID)
	row("Status", "%s", standing(j))
	if j.Message != "" {
		row("Message", "%s", j.Message)
	}
	if j.Queue != nil && j.Queue.Message != "" {
		row("Queue", "%s", j.Queue.Message)
	}
	row("Processor", "%s", j.Processor)
	for _, name := range slices.Sorted(maps.Keys(j.Parameters)) {
		row("  "+name, "%s", j.Parameters[name])
	}
	if j.Priority != 0 {
		row("Priority", "%d", j.Priority)
	}
	row("Attempts", "%d", j.Attempts)
	row("Created", "%s (%s ago)", j.CreatedAt.Local().Format(time.DateTime), age(j.CreatedAt))
	if j.StartedAt != nil && j.FinishedAt != nil {
		row("Took", "%s", j.FinishedAt.Sub(*j.StartedAt))
	}
	if j.Input != nil {
		row("Input", "%s, %s", j.Input.Name, bytesText(j.Input.Size))
	}
	for _, f := range j.Output {
		row("Result", "%s, %s, SHA-256 %s", f.Name, bytesText(f.Size), f.SHA256)
	}
	return table.Flush()
}

func age(t time.Time) string { return duration.HumanDuration(time.Since(t)) }

// printJobs writes jobs as GET /api/v1/jobs does; of one that the gateway has said nothing of, what is known.
func printJobs(w io.Writer, jobs []*job) error {
	all := make([]any, len(jobs))
	for i, j := range jobs {
		if all[i] = j; j.raw != nil {
			all[i] = j.raw
		}
	}
	return printJSON(w, map[string]any{"jobs": all})
}

func (a *app) cancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel JOB...", Short: "End jobs before their time, and delete their files",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.with(cmd.Context(), func(ctx context.Context, c *client) error {
				errs := make([]error, len(ids))
				for i, id := range ids {
					response, err := c.do(ctx, http.MethodDelete, c.address("/api/v1/jobs/"+url.PathEscape(id), nil), nil)
					if err == nil {
						response.Body.Close()
						fmt.Fprintf(a.Out, "job %s is cancelled\n", id)
					} else if len(ids) > 1 {
						fmt.Fprintf(a.Err, "%s: %v\n", id, err)
					}
					errs[i] = err
				}
				return firstOf(errs)
			})
		},
	}
}

// listing is what the command line of list says.
type listing struct {
	status, processor, name string
	limit                   int
}

func (a *app) list() *cobra.Command {
	l := &listing{}
	cmd := &cobra.Command{
		Use: "list", Short: "List jobs, the newest first",
		Long: `List jobs, the newest first. Through the cluster they are read from the API server. A gateway lists jobs only where its
installation allows it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			jobs, err := a.listed(cmd.Context(), l)
			if err != nil {
				return err
			}
			if a.asJSON() {
				return printJobs(a.Out, jobs)
			}
			return table(a.Out, jobs)
		},
	}
	a.outputFlag(cmd)
	cmd.Flags().StringVar(&l.status, "status", "", "only jobs in this phase: Pending, Running, Completed, Error or Timeout")
	cmd.Flags().StringVarP(&l.processor, "processor", "p", "", "only jobs of this processor")
	cmd.Flags().StringVar(&l.name, "name", "", "only jobs whose file has this in its name")
	cmd.Flags().IntVar(&l.limit, "limit", 50, "how many at most; 0 is all")
	_ = cmd.RegisterFlagCompletionFunc("processor", a.completeProcessors)
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(
		[]string{"Pending", "Running", "Completed", "Error", "Timeout"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) listed(ctx context.Context, l *listing) ([]*job, error) {
	if a.gateway == "" {
		return a.listFromCluster(ctx, l)
	}
	c, stop, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	return c.list(ctx, l)
}

// list reads page after page.
func (c *client) list(ctx context.Context, l *listing) ([]*job, error) {
	query := url.Values{"limit": {"500"}}
	for name, value := range map[string]string{"status": l.status, "processor": l.processor, "name": l.name} {
		if value != "" {
			query.Set(name, value)
		}
	}
	jobs := []*job{}
	for {
		var page struct {
			Jobs     []json.RawMessage `json:"jobs"`
			Continue string            `json:"continue"`
		}
		if err := c.getJSON(ctx, "/api/v1/jobs", query, &page); err != nil {
			return nil, err
		}
		for _, raw := range page.Jobs {
			j := &job{raw: raw}
			if err := json.Unmarshal(raw, j); err != nil {
				return nil, fmt.Errorf("the gateway's list cannot be read: %w", err)
			}
			if jobs = append(jobs, j); len(jobs) == l.limit {
				return jobs, nil
			}
		}
		if page.Continue == "" {
			return jobs, nil
		}
		query.Set("continue", page.Continue)
	}
}

func table(w io.Writer, jobs []*job) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "JOB\tFILE\tPROCESSOR\tSTATUS\tREASON\tAGE")
	for _, j := range jobs {
		name := "-"
		if j.Input != nil {
			name = j.Input.Name
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, name, j.Processor, j.Status, j.Reason, age(j.CreatedAt))
	}
	return t.Flush()
}

// timeOf is nil for none.
func timeOf(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
