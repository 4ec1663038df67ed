package e2e_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// somePrint is a generated print of a few MB.
func somePrint(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "print.gcode")
	if out, err := exec.CommandContext(t.Context(), "go", "run", "./test/prints/generate", "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("failed to generate a print: %v\n%s", err, out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestPrintGoesThrough(t *testing.T) {
	require(t)
	print := somePrint(t)
	before := scrape(t)
	id := upload(t, form{file: "part.gcode", content: print, fields: map[string]string{"parameters[multiplier]": "1.08"}})
	done := untilStatus(t, id, "Completed")
	t.Logf("brick says: %s", done.Message)
	if !strings.Contains(done.Message, `"raised"`) {
		t.Errorf("the job does not say how many loops were raised: %q", done.Message)
	}
	status, header, result := raw(t, get(t, "/api/v1/download/"+id))
	if status != http.StatusOK || !strings.Contains(header.Get("Content-Disposition"), "part_brick.gcode") {
		t.Errorf("the download answered %d, %s", status, header.Get("Content-Disposition"))
	}
	if bytes.Equal(print, result) || len(result) < len(print)/2 {
		t.Errorf("the result has %d bytes and is the upload: %v", len(result), bytes.Equal(print, result))
	}
	// The checker that comes with brick holds the result against the upload.
	check(t, print, result, "--multiplier=1.08")

	after := scrape(t)
	for series, want := range map[string]float64{
		`uploads_total{status="success"}`:                                                     1,
		`downloads_total{status="success"}`:                                                   1,
		`processing_jobs_total{status="completed"}`:                                           1,
		`processing_duration_seconds_count`:                                                   1,
		`processing_input_size_bytes_sum`:                                                     float64(len(print)),
		`processing_output_size_bytes_sum`:                                                    float64(len(result)),
		`upload_file_size_bytes_sum`:                                                          float64(len(print)),
		`http_requests_total{endpoint="/api/v1/upload",method="POST",status="201"}`:           1,
		`http_requests_total{endpoint="/api/v1/download/{job_id}",method="GET",status="200"}`: 1,
	} {
		if moved := after[series] - before[series]; moved != want {
			t.Errorf("%s moved by %v, want %v", series, moved, want)
		}
	}
}

func check(t *testing.T, in, out []byte, options ...string) {
	t.Helper()
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "in.gcode"), filepath.Join(dir, "out.gcode")}
	for i, content := range [][]byte{in, out} {
		if err := os.WriteFile(paths[i], content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := append(append([]string{"--check"}, options...), paths...)
	if report, err := exec.CommandContext(t.Context(), "bin/brick", args...).CombinedOutput(); err != nil {
		t.Errorf("brick %v: %v\n%s", args, err, report)
	}
}

func TestManifestGoesThrough(t *testing.T) {
	require(t)
	for _, args := range [][]string{
		{"apply", "-f", "config/samples/processingjob_configmap.yaml"},
		{"wait", "--for=condition=Finished", "--timeout=120s", "-n", namespace, "processingjob/tube"},
	} {
		if err := program(t.Context(), "kubectl", args...); err != nil {
			t.Fatal(err)
		}
	}
	untilStatus(t, "tube", "Completed")
	status, header, result := raw(t, get(t, "/api/v1/download/tube"))
	if status != http.StatusOK || len(result) == 0 || !strings.Contains(header.Get("Content-Disposition"), "tube_brick.gcode") {
		t.Errorf("the download answered %d, %s, %d bytes", status, header.Get("Content-Disposition"), len(result))
	}
}
