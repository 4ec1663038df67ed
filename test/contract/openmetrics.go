package contract

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
)

var (
	exemplar = regexp.MustCompile(` # \{[^}]*\} [^ ]+( [^ ]+)?$`)
	// A counter's TYPE line has its name without _total in OpenMetrics.
	counterType = regexp.MustCompile(`(?m)^# TYPE ([a-z_]+) counter$`)
)

// CheckOpenMetrics holds a scrape in the OpenMetrics format against one in the text format of the same process: both
// must have the same series.
func CheckOpenMetrics(text, openMetrics []byte) ([]string, error) {
	if !bytes.HasSuffix(openMetrics, []byte("# EOF\n")) {
		return []string{"the OpenMetrics scrape does not end with # EOF"}, nil
	}
	var faults []string
	for _, name := range counterType.FindAllSubmatch(openMetrics, -1) {
		if strings.HasSuffix(string(name[1]), "_total") {
			faults = append(faults, fmt.Sprintf("the OpenMetrics TYPE of counter %s ends in _total", name[1]))
		}
	}
	inText, err := seriesNames(text)
	if err != nil {
		return nil, err
	}
	inOpen, err := seriesNames(openMetrics)
	if err != nil {
		return nil, err
	}
	for _, name := range inText {
		if _, found := slices.BinarySearch(inOpen, name); !found {
			faults = append(faults, name+" is in the text format only")
		}
	}
	for _, name := range inOpen {
		if _, found := slices.BinarySearch(inText, name); !found {
			faults = append(faults, name+" is in OpenMetrics only")
		}
	}
	return faults, nil
}

// seriesNames are the contract's series of a scrape in either format. Comments are left out: in OpenMetrics a counter
// shares its TYPE line's name with the gauge of client_golang that it is called after, which no parser takes twice.
func seriesNames(scrape []byte) ([]string, error) {
	var lines strings.Builder
	for line := range strings.Lines(string(scrape)) {
		if !strings.HasPrefix(line, "#") {
			lines.WriteString(exemplar.ReplaceAllString(strings.TrimSuffix(line, "\n"), "") + "\n")
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(lines.String()))
	if err != nil {
		return nil, fmt.Errorf("failed to read a scrape: %w", err)
	}
	var names []string
	for _, want := range slices.Concat(Families, Extra) {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			for _, metric := range families[want.Name+suffix].GetMetric() {
				normaliseBound(metric)
				names = append(names, want.Name+suffix+"{"+key(metric)+"}")
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// normaliseBound writes a bucket's bound as the text format does: "1" is "1.0" in OpenMetrics.
func normaliseBound(metric *dto.Metric) {
	for _, label := range metric.Label {
		if bound, err := strconv.ParseFloat(label.GetValue(), 64); err == nil && label.GetName() == "le" {
			label.Value = proto.String(strconv.FormatFloat(bound, 'g', -1, 64))
		}
	}
}
