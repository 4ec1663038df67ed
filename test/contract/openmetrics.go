package contract

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
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

// seriesNames are the contract's series of a scrape in either format, histograms without their buckets.
func seriesNames(scrape []byte) ([]string, error) {
	var lines []string
	for line := range strings.Lines(string(scrape)) {
		lines = append(lines, exemplar.ReplaceAllString(strings.TrimSuffix(line, "\n"), ""))
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(strings.Join(lines, "\n") + "\n"))
	if err != nil {
		return nil, fmt.Errorf("failed to read a scrape: %w", err)
	}
	var names []string
	for _, want := range slices.Concat(Families, Extra) {
		if family := families[want.Name]; family != nil {
			for _, metric := range family.Metric {
				names = append(names, want.Name+"{"+key(metric)+"}")
			}
		}
	}
	slices.Sort(names)
	return names, nil
}
