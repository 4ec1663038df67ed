package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/gauge"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/piechart"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func (p panel) build() cog.Builder[dashboard.Panel] {
	switch p.kind {
	case counter:
		return stat.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).
			ReduceOptions(last()).Targets(p.targets(instant)).Span(widths[p.kind]).Height(height)
	case gaugeKind:
		return gauge.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).
			ReduceOptions(last()).Min(0).Targets(p.targets(instant)).Span(widths[p.kind]).Height(height)
	case heatmapKind:
		return heatmap.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).
			Calculate(false).Targets(p.targets(buckets)).Span(widths[p.kind]).Height(height)
	case histogramKind:
		// Grafana's histogram panel sorts raw values into buckets of its own. Buckets of Prometheus' are drawn by a bar
		// gauge, one bar for each.
		return bargauge.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).
			ReduceOptions(last()).Orientation(common.VizOrientationVertical).Targets(p.targets(bucketsNow)).
			Span(widths[p.kind]).Height(height)
	case pie:
		return piechart.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).
			ReduceOptions(last()).Targets(p.targets(instant)).Span(widths[p.kind]).Height(height)
	default:
		return timeseries.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).
			Min(0).FillOpacity(10).Targets(p.targets(series)).Span(widths[p.kind]).Height(height)
	}
}

func last() cog.Builder[common.ReduceDataOptions] {
	return common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})
}

// How a panel wants its data.
func series(q *prometheus.DataqueryBuilder)  { q.Range() }
func instant(q *prometheus.DataqueryBuilder) { q.Instant() }
func buckets(q *prometheus.DataqueryBuilder) { q.Range().Format(prometheus.PromQueryFormatHeatmap) }
func bucketsNow(q *prometheus.DataqueryBuilder) {
	q.Instant().Format(prometheus.PromQueryFormatHeatmap)
}

func (p panel) targets(how func(*prometheus.DataqueryBuilder)) []cog.Builder[variants.Dataquery] {
	var targets []cog.Builder[variants.Dataquery]
	for i, q := range p.queries {
		target := prometheus.NewDataqueryBuilder().Expr(expression(q.expr)).LegendFormat(q.legend).
			RefId(string(rune('A' + i))).Datasource(source)
		how(target)
		targets = append(targets, target)
	}
	return targets
}
