package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// contract are the families whose movement the demo shows.
var contract = []string{"http_requests_total", "uploads_total", "upload_file_size_bytes_sum", "processing_jobs_total",
	"processing_duration_seconds_sum", "processing_input_size_bytes_sum", "processing_output_size_bytes_sum", "downloads_total"}

// readMetrics scrapes the gateway and the manager.
func readMetrics(ctx context.Context) (map[string]float64, error) {
	series := map[string]float64{}
	for _, base := range []string{gatewayURL, managerURL} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s/metrics answered %s", base, response.Status)
		}
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			at := strings.LastIndexByte(lines.Text(), ' ')
			if at < 0 || strings.HasPrefix(lines.Text(), "#") {
				continue
			}
			if value, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil {
				series[lines.Text()[:at]] = value
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	return series, nil
}

func showMoved(ctx context.Context, before map[string]float64) error {
	after, err := readMetrics(ctx)
	if err != nil {
		return err
	}
	var names []string
	for name := range after {
		family, _, _ := strings.Cut(name, "{")
		// What probes and scrapes ask for moves by itself.
		noise := family == "http_requests_total" && !strings.Contains(name, `endpoint="/api/`)
		if slices.Contains(contract, family) && after[name] != before[name] && !noise {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("   %-92s %g → %g\n", name, before[name], after[name])
	}
	return nil
}
