package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// ours selects the product's series; OURS stands for it in expressions. See hack/monitoring for the job's pattern.
const ours = `job=~".*bricklayers.*",namespace=~"$namespace"`

// page is a dashboard.
type page struct {
	file, title, description string
	rows                     []row
}

type row struct {
	title  string
	panels []panel
}

// panel is one panel; kind is the contract's word for it.
type panel struct {
	kind        kind
	title       string
	description string
	unit        string
	queries     []query
}

type query struct{ expr, legend string }

type kind int

const (
	counter kind = iota
	gaugeKind
	graph
	heatmapKind
	histogramKind
	pie
)

// widths are in Grafana's 24 columns.
var widths = map[kind]uint32{counter: 6, gaugeKind: 6, graph: 12, heatmapKind: 12, histogramKind: 12, pie: 12}

const height = 8

var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}

func (p page) build() (dashboard.Dashboard, error) {
	builder := dashboard.NewDashboardBuilder(p.title).Uid(p.file).Description(p.description).Tags([]string{"bricklayers"}).
		Time("now-6h", "now").Refresh("30s").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).Editable().
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(dashboard.NewQueryVariableBuilder("namespace").Label("Namespace").Datasource(source).
			Query(dashboard.StringOrMap{String: cog.ToPtr(`label_values(app_info{job=~".*bricklayers.*"}, namespace)`)}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
			// A plain scrape has no namespace: "All" must match that, too.
			Multi(true).IncludeAll(true).AllValue(".*"))
	for _, r := range p.rows {
		builder.WithRow(dashboard.NewRowBuilder(r.title))
		for _, panel := range r.panels {
			builder.WithPanel(panel.build())
		}
	}
	return builder.Build()
}

func expression(expr string) string { return strings.ReplaceAll(expr, "OURS", ours) }
