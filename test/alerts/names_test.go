package alerts_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/test/contract"
)

var selectors = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{|\b(namespace:[a-z0-9_:]+)`)

// libraries' families that alerts look at; the end-to-end test's dashboards show that they exist.
var foreign = []string{
	"controller_runtime_reconcile_errors_total", "controller_runtime_reconcile_total",
	"workqueue_longest_running_processor_seconds",
	// Of the kubelet, where it is scraped.
	"kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
}

// TestAlertsLookAtWhatExists finds a misspelt metric, which promtool's tests with the same mistake would not.
func TestAlertsLookAtWhatExists(t *testing.T) {
	known := slices.Clone(foreign)
	for _, family := range slices.Concat(contract.Families, contract.Extra) {
		known = append(known, family.Name)
		if family.Type == "histogram" {
			known = append(known, family.Name+"_bucket", family.Name+"_sum", family.Name+"_count")
		}
	}
	groups := loadRules(t).Groups
	for _, g := range groups {
		for _, r := range g.Rules {
			known = append(known, r.Record)
		}
	}
	for _, g := range groups {
		for _, r := range g.Rules {
			found := selectors.FindAllStringSubmatch(r.Expr, -1)
			if len(found) == 0 {
				t.Errorf("%s%s looks at nothing: %s", r.Alert, r.Record, r.Expr)
			}
			for _, names := range found {
				if name := names[1] + names[2]; !slices.Contains(known, name) {
					t.Errorf("%s%s looks at %s, which nothing exposes", r.Alert, r.Record, name)
				}
			}
			if strings.Contains(r.Expr, "{") && !strings.Contains(r.Expr, "bricklayers") {
				t.Errorf("%s%s takes series of any product: %s", r.Alert, r.Record, r.Expr)
			}
		}
	}
}
