// Command probe is what the pods of the cluster's test run: a shell's worth of small jobs in a static binary.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: probe serve | get URL | append FILE TEXT | print FILE"))
	}
	switch args := os.Args[2:]; os.Args[1] {
	case "serve":
		fail(serve(args))
	case "get":
		fail(get(args))
	case "append":
		fail(appendTo(args))
	case "print":
		fail(printFile(args))
	default:
		fail(fmt.Errorf("no such command: %s", os.Args[1]))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func serve([]string) error {
	fmt.Println("serving")
	return http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "hello from a pod")
	}))
}

func get(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func appendTo(args []string) error {
	file, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(file, args[1]); err != nil {
		return err
	}
	return file.Close()
}

func printFile(args []string) error {
	content, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(content)
	return err
}
