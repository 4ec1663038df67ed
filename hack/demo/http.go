package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// job is what the demo reads of a status answer.
type job struct {
	ID      string `json:"job_id"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (j *job) finished() bool { return j.Status != "Pending" && j.Status != "Running" }

// sendByHTTP uploads a print, follows it, and downloads the result.
func (d *demo) sendByHTTP(ctx context.Context) error {
	file, err := findPrint(ctx)
	if err != nil {
		return err
	}
	before, err := readMetrics(ctx)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	say("Uploading %s (%.1f MB) to %s/api/v1/upload", filepath.Base(file), float64(info.Size())/1e6, gatewayURL)
	created, err := upload(ctx, file)
	if err != nil {
		return err
	}
	fmt.Printf("   job %s is %s\n", created.ID, created.Status)
	done, err := follow(ctx, created.ID)
	if err != nil {
		return err
	}
	if done.Status != "Completed" {
		return fmt.Errorf("job %s ended as %s (%s): %s", done.ID, done.Status, done.Reason, done.Message)
	}
	fmt.Printf("   %s\n", summary(done.Message))
	result := filepath.Join("bin", "demo", "result.gcode")
	if err := download(ctx, created.ID, result, file); err != nil {
		return err
	}
	say("The metrics that moved")
	return showMoved(ctx, before)
}

// findPrint takes a real print that lies beside the checkout, or generates one.
func findPrint(ctx context.Context) (string, error) {
	if found, err := filepath.Glob("../*/samples/3DBenchy.gcode"); err == nil && len(found) > 0 {
		return found[0], nil
	}
	file := filepath.Join("bin", "demo", "print.gcode")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	generate := exec.CommandContext(ctx, "go", "run", "./test/prints/generate", "-o", file)
	generate.Stderr = os.Stderr
	if err := generate.Run(); err != nil {
		return "", fmt.Errorf("failed to generate a print: %w", err)
	}
	return file, nil
}

func upload(ctx context.Context, file string) (*job, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, form := io.Pipe()
	writer := multipart.NewWriter(form)
	go func() {
		part, err := writer.CreateFormFile("file", filepath.Base(file))
		if err == nil {
			_, err = io.Copy(part, f)
		}
		if err == nil {
			err = writer.Close()
		}
		form.CloseWithError(err)
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gatewayURL+"/api/v1/upload", body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", writer.FormDataContentType())
	created := &job{}
	return created, answer(request, http.StatusCreated, created)
}

// answer sends a request and decodes the JSON it is answered with.
func answer(request *http.Request, want int, into any) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != want {
		return fmt.Errorf("%s %s answered %s: %s", request.Method, request.URL, response.Status, body)
	}
	return json.Unmarshal(body, into)
}

// follow prints one line that changes until the job is finished.
func follow(ctx context.Context, id string) (*job, error) {
	start := time.Now()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, gatewayURL+"/api/v1/status/"+id, nil)
		if err != nil {
			return nil, err
		}
		now := &job{}
		if err := answer(request, http.StatusOK, now); err != nil {
			return nil, err
		}
		fmt.Printf("\r   %-10s %-16s %5.1f s ", now.Status, now.Reason, time.Since(start).Seconds())
		if now.finished() {
			fmt.Println()
			return now, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// summary puts brick's own figures, which the job's message carries as JSON, into a sentence.
func summary(message string) string {
	var figures struct {
		Layers int `json:"layers"`
		Loops  int `json:"loops"`
		Raised int `json:"raised"`
	}
	if err := json.Unmarshal([]byte(message), &figures); err != nil {
		return message
	}
	return fmt.Sprintf("brick raised %d of %d loops in %d layers", figures.Raised, figures.Loops, figures.Layers)
}

func download(ctx context.Context, id, result, original string) error {
	say("Downloading the result from %s/api/v1/download/%s", gatewayURL, id)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, gatewayURL+"/api/v1/download/"+id, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the download answered %s: %s", response.Status, body)
	}
	if err := os.MkdirAll(filepath.Dir(result), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(result, body, 0o644); err != nil {
		return err
	}
	input, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(body)
	fmt.Printf("   %s (%s)\n   %d bytes, SHA-256 %x…, %d lines differ from the upload\n", result,
		response.Header.Get("Content-Disposition"), len(body), digest[:6], changedLines(input, body))
	return nil
}

// changedLines counts the lines of b that do not stand at the same place in a, give or take the line brick adds at the
// top: enough to see that a print was changed, and by how much.
func changedLines(a, b []byte) int {
	seen := map[string]int{}
	for line := range bytes.Lines(a) {
		seen[string(line)]++
	}
	changed := 0
	for line := range bytes.Lines(b) {
		if seen[string(line)] == 0 {
			changed++
			continue
		}
		seen[string(line)]--
	}
	return changed
}

// digestOf is a short name for the contents of files.
func digestOf(files []string) (string, error) {
	hash := sha256.New()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(hash, f)
		f.Close()
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("h%x", hash.Sum(nil)[:8]), nil
}
