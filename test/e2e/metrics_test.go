package e2e_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// scrape reads every series of the gateway and the manager.
func scrape(t *testing.T) map[string]float64 {
	t.Helper()
	series := map[string]float64{}
	for _, base := range []string{gatewayURL, managerURL} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		status, _, body := raw(t, request)
		if status != http.StatusOK {
			t.Fatalf("%s/metrics answered %d", base, status)
		}
		for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
			at := strings.LastIndexByte(lines.Text(), ' ')
			if at < 0 || lines.Text()[0] == '#' {
				continue
			}
			value, err := strconv.ParseFloat(lines.Text()[at+1:], 64)
			if err != nil {
				t.Fatalf("%s/metrics has the line %q", base, lines.Text())
			}
			series[lines.Text()[:at]] = value
		}
	}
	return series
}
