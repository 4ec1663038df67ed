package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// finding is what a check of the doctor has come to.
type finding struct {
	What string `json:"check"`
	OK   bool   `json:"ok"`
	Said string `json:"said"`
	Fix  string `json:"fix,omitempty"` // what to do, if it is not OK
}

func good(what, format string, args ...any) finding {
	return finding{What: what, OK: true, Said: fmt.Sprintf(format, args...)}
}

func bad(what, fix, format string, args ...any) finding {
	return finding{What: what, Said: fmt.Sprintf(format, args...), Fix: fix}
}

func (a *app) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check the installation, and say what to mend",
		Long: `Check the installation, and say what to mend: the API server, the CRDs, your rights, manager and gateway, the bucket, the
processors and the metrics. With --gateway only what can be seen from outside is checked.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			return a.examine(cmd.Context())
		},
	}
	a.outputFlag(cmd)
	return cmd
}

func (a *app) examine(ctx context.Context) error {
	var found []finding
	if a.gateway == "" {
		found = a.checkCluster(ctx)
	}
	found = append(found, a.checkGateway(ctx)...)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := 0
	for _, f := range found {
		if !f.OK {
			failed++
		}
	}
	if err := a.printFindings(found); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(found))
	}
	return nil
}

func (a *app) printFindings(found []finding) error {
	if a.asJSON() {
		return printJSON(a.Out, map[string]any{"checks": found})
	}
	for _, f := range found {
		mark := "ok  "
		if !f.OK {
			mark = "FAIL"
		}
		if _, err := fmt.Fprintf(a.Out, "%s  %s: %s\n", mark, f.What, f.Said); err != nil {
			return err
		}
		if f.Fix != "" {
			fmt.Fprintf(a.Out, "      %s\n", f.Fix)
		}
	}
	return nil
}

// checkGateway looks at what the gateway says of itself.
func (a *app) checkGateway(ctx context.Context) []finding {
	const what = "gateway"
	c, stop, err := a.connect(ctx)
	if err != nil {
		return []finding{bad(what, "the checks above say why; kubectl describe pod shows more", "cannot be reached: %v", err)}
	}
	defer stop()
	response, err := c.do(ctx, http.MethodGet, c.base+"/healthz", nil)
	if err != nil {
		return []finding{bad(what, "look at the log of its pods, and whether anything in between keeps you from it", "%v", err)}
	}
	response.Body.Close()
	return []finding{good(what, "answers at %s", c.base), c.checkReady(ctx), c.checkProcessors(ctx), c.checkMetrics(ctx)}
}

func (c *client) checkReady(ctx context.Context) finding {
	const what = "bucket and cache"
	response, err := c.do(ctx, http.MethodGet, c.base+"/readyz", nil)
	if err == nil {
		response.Body.Close()
		return good(what, "the bucket can be written, the jobs are known")
	}
	fix := "look at the gateway's log"
	text := err.Error()
	switch reason := reasonOf(err); reason {
	case "storage_full":
		fix = "make the volume or the quota larger, or lower ttlSecondsAfterFinished of the processors"
	case "storage_unavailable":
		fix = "check the chart's bucket values: address, credentials, and whether the network policy lets the gateway there"
	case "cluster_unavailable":
		fix = "check the gateway's rights (kubectl auth can-i list processingjobs --as its service account) and the CRDs"
	}
	return bad(what, fix, "%s", text)
}

func (c *client) checkProcessors(ctx context.Context) finding {
	const what = "processors"
	found, err := c.processors(ctx)
	switch {
	case err != nil:
		return bad(what, "look at the gateway's log; with --auth=kubernetes you need the right to list processors", "%v", err)
	case len(found) == 0:
		return bad(what, "make one: kubectl apply -f config/samples/processor_brick.yaml", "there is none, so nothing can be sent")
	}
	names, standard := make([]string, len(found)), false
	for i, p := range found {
		names[i], standard = p.Name, standard || p.Default
	}
	if !standard {
		return bad(what, "set the gateway's --default-processor to one of them, or name one with each file",
			"%s, but the default is none of them", strings.Join(names, ", "))
	}
	return good(what, "%s", strings.Join(names, ", "))
}

func (c *client) checkMetrics(ctx context.Context) finding {
	const what, metric = "metrics", "http_requests_total"
	response, err := c.do(ctx, http.MethodGet, c.base+"/metrics", nil)
	if reasonOf(err) == "not_found" {
		return good(what, "are on a port of their own (--metrics-bind-address)")
	}
	if err != nil {
		return bad(what, "look at the gateway's log", "%v", err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil || !strings.Contains(string(content), metric) {
		return bad(what, "something else answers in the gateway's place: check the Service and what stands before it",
			"/metrics has no %s", metric)
	}
	return good(what, "are served at /metrics")
}
