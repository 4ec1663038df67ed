// Command generate writes a print as a slicer would, for tests, benchmarks and the demo.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"bricklayers.dev/bricklayers/test/prints"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "generate:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	out := flags.String("o", "-", "file to write, - for standard output")
	megabytes := flags.Float64("mb", 5, "about how many megabytes")
	layers := flags.Int("layers", 0, "how many layers, instead of a size")
	dialect := flags.String("dialect", "prusa", "how to write it: "+strings.Join(prints.Dialects(), ", "))
	scene := flags.String("scene", "bushing", "what to print: bushing, or the small sampler")
	switches := flags.String("with", "", "comma-separated switches, see -list")
	list := flags.Bool("list", false, "list the switches")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *list {
		for _, s := range prints.Switches() {
			fmt.Fprintf(stdout, "%-18s %s\n", s, prints.Describe(s))
		}
		return nil
	}
	o := prints.Options{Dialect: *dialect, Scene: *scene, Layers: *layers}
	if *switches != "" {
		o.Switches = strings.Split(*switches, ",")
	}
	if *layers == 0 && *scene == "bushing" {
		var err error
		if o, err = prints.Sized(o, int64(*megabytes*1e6)); err != nil {
			return err
		}
	}
	if *out == "-" {
		return prints.Write(stdout, o, nil)
	}
	return toFile(*out, o)
}

func toFile(name string, o prints.Options) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := prints.Write(w, o, nil); err != nil {
		return err
	}
	return w.Flush()
}
